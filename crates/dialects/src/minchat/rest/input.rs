//! What a request brought, read into what each endpoint takes.
//!
//! `name` repeated, or `name[]`, stands for a list. The structures also describe the endpoints to
//! others.

use chat::{Media, Refusal, UserRef, model::Metadata};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    payload::{self, invalid},
    rest::{Form, Input, field, required},
};

/// The longest username, name or title, in UTF-8 bytes.
const MAX_NAME: usize = 256;
/// The longest address of a picture, in UTF-8 bytes.
const MAX_AVATAR: usize = 2048;
/// The most usernames in one request.
const MAX_USERNAMES: usize = 1_000;

const USER_ID: &str = "user_id";
const CHAT_ID: &str = "chat_id";

/// Who looks at lists, for a page in demo mode that has not said who it is.
pub const DEMO_USER: &str = "demo";

/// Who looks: by id, or [`DEMO_USER`] by its username.
#[derive(Debug)]
pub struct Viewer(pub(super) UserRef);

impl Input<'_> {
    /// The JSON object called `name`; in a form it is a text that holds one.
    fn metadata(self) -> Result<Option<Metadata>, Refusal> {
        const NAME: &str = "metadata";
        match self {
            Self::Json(json) => field(json, NAME)?.optional(payload::Field::metadata),
            Self::Form(form) => {
                let parse = |text| {
                    serde_json::from_str(text).map_err(|_| invalid(NAME, "must be a JSON object"))
                };
                form.text(NAME).map(parse).transpose()
            }
        }
    }

    fn usernames(self) -> Result<Vec<String>, Refusal> {
        const NAME: &str = "usernames";
        let usernames = match self {
            Self::Json(json) => field(json, NAME)?.texts()?,
            Self::Form(form) => texts(form, NAME),
        };
        if usernames.is_empty() {
            return Err(invalid(NAME, "is missing"));
        }
        if usernames.len() > MAX_USERNAMES {
            return Err(invalid(NAME, "must be at most 1000"));
        }
        Ok(usernames)
    }

    fn page(self) -> Result<u64, Refusal> {
        const MUST: &str = "must be a whole number, 1 or more";
        let page = self.digits("page", 1..=u32::MAX, MUST)?;
        Ok(page.map_or(1, u64::from))
    }

    /// The address of a picture. An empty one is none.
    fn avatar(self) -> Result<Option<String>, Refusal> {
        let url = self.label("avatar", MAX_AVATAR, "must have at most 2048 bytes")?;
        Ok(url.filter(|url| !url.is_empty()))
    }

    fn username(self) -> Result<String, Refusal> {
        const NAME: &str = "username";
        const MUST: &str = "must be a string of 1 to 256 bytes";
        let username = required(NAME, self.label(NAME, MAX_NAME, MUST)?)?;
        if username.is_empty() {
            return Err(invalid(NAME, MUST));
        }
        Ok(username)
    }

    fn viewer(self) -> Result<Option<Viewer>, Refusal> {
        let text = self.text(USER_ID)?;
        let viewer = |text: String| match text.as_str() {
            DEMO_USER => Ok(Viewer(UserRef::Known(text))),
            text => match payload::uuid(text) {
                Some(uuid) => Ok(Viewer(UserRef::Uuid(uuid))),
                None => Err(invalid(USER_ID, "must be a UUID")),
            },
        };
        text.map(viewer).transpose()
    }

    /// Something for people to read; when it is blank, there is none.
    fn title(self, name: &'static str) -> Result<Option<String>, Refusal> {
        let title = self.label(name, MAX_NAME, "must have at most 256 bytes")?;
        Ok(title.filter(|title| !title.trim().is_empty()))
    }
}

/// The texts of a list: `name` repeated, or `name[]`.
fn texts(form: &Form, name: &str) -> Vec<String> {
    let is_meant = |found: &str| found.strip_suffix("[]").unwrap_or(found) == name;
    let meant = form.texts.iter().filter(|(found, _)| is_meant(found));
    meant.map(|(_, text)| text.clone()).collect()
}

/// Makes a user, or changes the one that has this username.
#[derive(Debug, ToSchema)]
pub struct PutUser {
    /// The app's own id of the user, 1 to 256 bytes.
    pub username: String,
    /// What people call the user, up to 256 bytes; the username where there is none.
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// Where the picture is, up to 2048 bytes.
    #[schema(nullable = false)]
    pub avatar: Option<String>,
    /// The picture itself.
    #[schema(value_type = Option<String>, format = Binary, nullable = false)]
    pub avatar_file: Option<Media>,
    /// A JSON object of the app's own use, up to 16 KiB.
    #[schema(value_type = Option<Object>, nullable = false)]
    pub metadata: Option<Metadata>,
}

impl PutUser {
    pub(super) fn read(input: Input<'_>) -> Result<Self, Refusal> {
        Ok(Self {
            username: input.username()?,
            name: input.title("name")?,
            avatar: input.avatar()?,
            avatar_file: input.file("avatar_file"),
            metadata: input.metadata()?,
        })
    }
}

/// Changes a user. What is absent stays.
#[derive(Debug, ToSchema)]
pub struct UpdateUser {
    /// What people call the user, up to 256 bytes.
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// Where the picture is, up to 2048 bytes.
    #[schema(nullable = false)]
    pub avatar: Option<String>,
    /// The picture itself.
    #[schema(value_type = Option<String>, format = Binary, nullable = false)]
    pub avatar_file: Option<Media>,
    /// Merged into what is there; `null` removes a key. Up to 16 KiB in all.
    #[schema(value_type = Option<Object>, nullable = false)]
    pub metadata: Option<Metadata>,
}

impl UpdateUser {
    pub(super) fn read(input: Input<'_>) -> Result<Self, Refusal> {
        Ok(Self {
            name: input.title("name")?,
            avatar: input.avatar()?,
            avatar_file: input.file("avatar_file"),
            metadata: input.metadata()?,
        })
    }
}

/// Opens a chat. In JSON, with two usernames and neither title nor picture, it is the chat of the
/// two, the same one every time; else a new group.
#[derive(Debug, ToSchema)]
pub struct OpenChat {
    /// Who belongs to it, its maker first. At most 1000.
    pub usernames: Vec<String>,
    /// The id of its maker.
    #[schema(nullable = false)]
    pub user_id: Option<Uuid>,
    /// What a group is called, up to 256 bytes.
    #[schema(nullable = false)]
    pub title: Option<String>,
    /// Where the picture of a group is, up to 2048 bytes.
    #[schema(nullable = false)]
    pub avatar: Option<String>,
    /// The picture itself.
    #[schema(value_type = Option<String>, format = Binary, nullable = false)]
    pub avatar_file: Option<Media>,
    /// A JSON object of the app's own use, up to 16 KiB.
    #[schema(value_type = Option<Object>, nullable = false)]
    pub metadata: Option<Metadata>,
}

impl OpenChat {
    pub(super) fn read(input: Input<'_>) -> Result<Self, Refusal> {
        Ok(Self {
            usernames: input.usernames()?,
            user_id: input.uuid("user_id")?,
            title: input.title("title")?,
            avatar: input.avatar()?,
            avatar_file: input.file("avatar_file"),
            metadata: input.metadata()?,
        })
    }
}

/// Changes a chat. What is absent stays. A chat of two has no title or picture of its own.
#[derive(Debug, ToSchema)]
pub struct UpdateChat {
    /// What the group is called, up to 256 bytes.
    #[schema(nullable = false)]
    pub title: Option<String>,
    /// Where the picture of the group is, up to 2048 bytes.
    #[schema(nullable = false)]
    pub avatar: Option<String>,
    /// The picture itself.
    #[schema(value_type = Option<String>, format = Binary, nullable = false)]
    pub avatar_file: Option<Media>,
    /// Merged into what is there; `null` removes a key. Up to 16 KiB in all.
    #[schema(value_type = Option<Object>, nullable = false)]
    pub metadata: Option<Metadata>,
}

impl UpdateChat {
    pub(super) fn read(input: Input<'_>) -> Result<Self, Refusal> {
        Ok(Self {
            title: input.title("title")?,
            avatar: input.avatar()?,
            avatar_file: input.file("avatar_file"),
            metadata: input.metadata()?,
        })
    }
}

/// Names a user: who is to belong to a chat, or who has read a message.
#[derive(Debug, ToSchema)]
pub struct ByUser {
    /// The user's id.
    pub user_id: Uuid,
}

impl ByUser {
    pub(super) fn read(input: Input<'_>) -> Result<Self, Refusal> {
        Ok(Self {
            user_id: required(USER_ID, input.uuid(USER_ID)?)?,
        })
    }
}

/// Writes a message: a text, a file, or both.
#[derive(Debug, ToSchema)]
pub struct SendMessage {
    /// Where.
    pub chat_id: Uuid,
    /// Who writes.
    pub user_id: Uuid,
    /// Not blank unless there is a file; 65536 bytes unless the app has another limit.
    #[schema(nullable = false)]
    pub text: Option<String>,
    /// A file.
    #[schema(value_type = Option<String>, format = Binary, nullable = false)]
    pub file: Option<Media>,
    /// A JSON object of the app's own use, up to 16 KiB.
    #[schema(value_type = Option<Object>, nullable = false)]
    pub metadata: Option<Metadata>,
    /// The same id from the same user in the same chat makes one message, 1 to 128 bytes. May also
    /// stand in `metadata`, or in the header `Idempotency-Key`.
    #[schema(rename = "clientMessageId", nullable = false)]
    pub client_message_id: Option<String>,
}

impl SendMessage {
    pub(super) fn read(input: Input<'_>) -> Result<Self, Refusal> {
        Ok(Self {
            chat_id: required(CHAT_ID, input.uuid(CHAT_ID)?)?,
            user_id: required(USER_ID, input.uuid(USER_ID)?)?,
            text: input.text("text")?,
            file: input.file("file"),
            metadata: input.metadata()?,
            client_message_id: input.text("clientMessageId")?,
        })
    }
}

/// Changes a message. What is absent stays.
#[derive(Debug, ToSchema)]
pub struct EditMessage {
    /// A new text, with the limits of the first one.
    #[schema(nullable = false)]
    pub text: Option<String>,
    /// A new file.
    #[schema(value_type = Option<String>, format = Binary, nullable = false)]
    pub file: Option<Media>,
    /// Merged into what is there; `null` removes a key. Up to 16 KiB in all.
    #[schema(value_type = Option<Object>, nullable = false)]
    pub metadata: Option<Metadata>,
}

impl EditMessage {
    pub(super) fn read(input: Input<'_>) -> Result<Self, Refusal> {
        Ok(Self {
            text: input.text("text")?,
            file: input.file("file"),
            metadata: input.metadata()?,
        })
    }
}

/// Which user.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UserQuery {
    /// The user's id; without it the username counts.
    #[param(nullable = false)]
    pub id: Option<Uuid>,
    /// The app's own id of the user.
    #[param(nullable = false)]
    pub username: Option<String>,
}

impl UserQuery {
    pub(super) fn read(query: &Form) -> Result<Self, Refusal> {
        let query = Input::Form(query);
        Ok(Self {
            id: query.uuid("id")?,
            username: query.text("username")?,
        })
    }
}

/// Which users.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UsersQuery {
    /// The app's own ids of the users, repeated: `usernames[]=ada&usernames[]=bob`. At most 1000.
    #[param(rename = "usernames[]")]
    pub usernames: Vec<String>,
}

impl UsersQuery {
    pub(super) fn read(query: &Form) -> Result<Self, Refusal> {
        Ok(Self {
            usernames: Input::Form(query).usernames()?,
        })
    }
}

/// Who looks.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ViewerQuery {
    /// The id of the user who looks; with a user key, its user.
    #[param(nullable = false)]
    pub user_id: Option<Uuid>,
}

impl ViewerQuery {
    pub(super) fn read(query: &Form) -> Result<Self, Refusal> {
        Ok(Self {
            user_id: Input::Form(query).uuid(USER_ID)?,
        })
    }
}

/// Whose chats.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ChatsQuery {
    /// The id of the user who looks.
    #[param(value_type = Uuid)]
    pub user_id: Viewer,
    /// Which page, from 1, which has the newest.
    #[param(value_type = Option<u32>, minimum = 1, nullable = false)]
    pub page: u64,
}

impl ChatsQuery {
    pub(super) fn read(query: &Form) -> Result<Self, Refusal> {
        let query = Input::Form(query);
        Ok(Self {
            user_id: required(USER_ID, query.viewer()?)?,
            page: query.page()?,
        })
    }
}

/// Which messages.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MessagesQuery {
    /// Of which chat.
    pub chat_id: Uuid,
    /// The id of the user who looks; with a user key, its user.
    #[param(value_type = Option<Uuid>, nullable = false)]
    pub user_id: Option<Viewer>,
    /// Which page, from 1, which has the newest.
    #[param(value_type = Option<u32>, minimum = 1, nullable = false)]
    pub page: u64,
}

impl MessagesQuery {
    pub(super) fn read(query: &Form) -> Result<Self, Refusal> {
        let query = Input::Form(query);
        Ok(Self {
            chat_id: required(CHAT_ID, query.uuid(CHAT_ID)?)?,
            user_id: query.viewer()?,
            page: query.page()?,
        })
    }
}
