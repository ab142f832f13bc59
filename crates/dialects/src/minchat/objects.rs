//! What `minchat` shows: users, chats, messages and files, alike on sockets, over HTTP and in the
//! description of the HTTP API.
//!
//! Made from the domain's values for a viewer. `rest` has what stands around them in answers.

use std::borrow::Cow;

use chat::{
    ConversationKind, ConversationView, Media, MessageView, UserId,
    event::Scene,
    model::{Conversation, Details, MediaKind, Member, Metadata},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Site, timestamp::Rfc3339};

/// What a group without a title is called.
const GROUP: &str = "Group Chat";
/// What a chat of two is called whose other person is gone.
const DELETED: &str = "Deleted user";

/// A person.
#[derive(Debug, Serialize, ToSchema)]
pub struct User<'a> {
    /// Ours: opaque, sorts by age.
    pub id: Uuid,
    /// The app's own id, unique in the app.
    pub username: &'a str,
    /// For people; the username where none was given.
    pub name: &'a str,
    /// Where the picture is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub avatar: Option<Cow<'a, str>>,
    /// Of the app's own use.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    pub metadata: Option<&'a Metadata>,
    /// When the user was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Rfc3339,
    /// When the user's last socket went away; until then, when the user was made.
    #[schema(value_type = String, format = DateTime)]
    pub last_active: Rfc3339,
    /// When name, picture or metadata last changed, if they did.
    #[serde(rename = "updatedAt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    pub updated_at: Option<Rfc3339>,
}

impl<'a> User<'a> {
    /// As everybody sees this user.
    pub fn new(site: &Site, user: &'a chat::User) -> Self {
        Self {
            id: user.uuid,
            username: &user.external.text,
            name: user.name(),
            avatar: user.profile.avatar.as_ref().map(|it| site.picture_url(it)),
            metadata: user.profile.metadata.as_ref(),
            created_at: Rfc3339(user.created_at),
            last_active: Rfc3339(user.last_active),
            updated_at: user.updated_at.map(Rfc3339),
        }
    }
}

/// A conversation of two people or of many.
#[derive(Debug, Serialize, ToSchema)]
pub struct Chat<'a> {
    /// Ours: opaque, sorts by age.
    pub id: Uuid,
    /// Of a chat of two, the other person's name; of a group, its title, or `Group Chat`.
    #[schema(value_type = String)]
    pub title: Cow<'a, str>,
    /// Where the picture is: of a chat of two, the other person's.
    #[schema(value_type = Option<String>)]
    pub avatar: Option<Cow<'a, str>>,
    /// Of the app's own use.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<&'a Metadata>,
    /// The ids of those who belong to it.
    pub participant_user_ids: Vec<Uuid>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Rfc3339,
    /// The newest message.
    pub last_message: Option<Message<'a>>,
    /// Always true.
    pub success: bool,
}

impl<'a> Chat<'a> {
    /// As `viewer` sees it; without one, as the app itself does.
    pub fn new(
        site: &Site,
        view: &'a ConversationView,
        viewer: Option<UserId>,
        last_message: Option<&'a MessageView>,
    ) -> Self {
        let parts = (&*view.conversation, &*view.details, &*view.members);
        Self::of(site, parts, viewer, last_message)
    }

    /// As `viewer` sees it in something that happened there.
    pub fn in_scene(
        site: &Site,
        scene: &'a Scene,
        viewer: UserId,
        last_message: &'a MessageView,
    ) -> Self {
        let parts = (&*scene.conversation, &*scene.details, &*scene.members);
        Self::of(site, parts, Some(viewer), Some(last_message))
    }

    fn of(
        site: &Site,
        (conversation, details, members): (&Conversation, &'a Details, &'a [Member]),
        viewer: Option<UserId>,
        last_message: Option<&'a MessageView>,
    ) -> Self {
        let (title, avatar) = if conversation.kind == ConversationKind::Direct {
            face(site, members, viewer)
        } else {
            (
                Cow::Borrowed(details.title.as_deref().unwrap_or(GROUP)),
                details.avatar.as_ref().map(|it| site.picture_url(it)),
            )
        };
        Self {
            id: conversation.uuid,
            title,
            avatar,
            metadata: details.metadata.as_ref(),
            participant_user_ids: members.iter().map(|member| member.user.uuid).collect(),
            created_at: Rfc3339(conversation.created_at),
            last_message: last_message.map(|view| Message::new(site, view)),
            success: true,
        }
    }
}

/// Title and picture of a chat of two: the other person's. The app itself sees both names.
fn face<'a>(
    site: &Site,
    members: &'a [Member],
    viewer: Option<UserId>,
) -> (Cow<'a, str>, Option<Cow<'a, str>>) {
    match (viewer, members) {
        (None, [one, other]) => {
            let names = format!("{}, {}", one.user.name(), other.user.name());
            (Cow::Owned(names), None)
        }
        (None, _) => (Cow::Borrowed(DELETED), None),
        (Some(viewer), members) => {
            let other = members.iter().find(|member| member.user.id != viewer);
            other.map_or((Cow::Borrowed(DELETED), None), |other| {
                let avatar = other.user.profile.avatar.as_ref();
                let avatar = avatar.map(|it| site.picture_url(it));
                (Cow::Borrowed(other.user.name()), avatar)
            })
        }
    }
}

/// What somebody wrote.
#[derive(Debug, Serialize, ToSchema)]
pub struct Message<'a> {
    /// Ours: opaque, sorts by age.
    pub id: Uuid,
    /// Where it stands.
    pub chat_id: Uuid,
    /// As it came; empty only beside a file.
    pub text: &'a str,
    /// A file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub file: Option<File<'a>>,
    /// Of the app's own use.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<&'a Metadata>,
    /// Whether somebody else than its author has read it.
    pub seen: bool,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Rfc3339,
    /// When it was last changed, if it was.
    #[serde(rename = "updatedAt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    pub updated_at: Option<Rfc3339>,
    /// Who wrote it.
    pub user: User<'a>,
    /// Always true.
    pub success: bool,
}

impl<'a> Message<'a> {
    /// As everybody sees it.
    pub fn new(site: &Site, view: &'a MessageView) -> Self {
        let message = &view.message;
        Self {
            id: message.uuid,
            chat_id: view.conversation.uuid,
            text: &message.body.text,
            file: message.body.media.first().map(|it| File::new(site, it)),
            metadata: message.body.metadata.as_ref(),
            seen: view.seen,
            created_at: Rfc3339(message.created_at),
            updated_at: message.edited_at.map(Rfc3339),
            user: User::new(site, &view.sender),
            success: true,
        }
    }
}

/// A file that came with a message.
#[derive(Debug, Serialize, ToSchema)]
pub struct File<'a> {
    /// What to do with it: `image`, `gif`, `video`, or `file`. Decided by its content.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Where it is.
    pub url: String,
    /// What its sender called it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub name: Option<&'a str>,
    /// For people, as in `34.50 KB`.
    pub size: String,
}

impl<'a> File<'a> {
    pub(super) fn new(site: &Site, media: &'a Media) -> Self {
        Self {
            kind: match media.kind {
                MediaKind::Image => "image",
                MediaKind::Gif => "gif",
                MediaKind::Video => "video",
                MediaKind::File => "file",
            },
            url: site.media_url(media),
            name: media.title.as_deref(),
            size: size(media.bytes),
        }
    }
}

/// Bytes as that API's own client writes them: kilobytes or megabytes of 1024, with two decimals.
fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with two decimals")]
    let kilobytes = bytes as f64 / 1024.0;
    if kilobytes < 1024.0 {
        format!("{kilobytes:.2} KB")
    } else {
        format!("{:.2} MB", kilobytes / 1024.0)
    }
}

/// Whether a user is online.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    pub(super) member_id: Uuid,
    pub(super) status: &'static str,
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_for_people() {
        assert_eq!(size(0), "0.00 KB");
        assert_eq!(size(35_328), "34.50 KB");
        assert_eq!(size(1_048_575), "1024.00 KB");
        assert_eq!(size(10 << 20), "10.00 MB");
    }
}
