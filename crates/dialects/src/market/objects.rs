//! What `market` shows: chats, messages and files, and the envelope around them; alike on sockets,
//! over HTTP and in the description of the HTTP API.

use chat::{
    ConversationView, ExternalId, Media, MessageView, Role, Timestamp,
    event::Scene,
    model::{Conversation, Details, Member, Product},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Site, timestamp::Rfc3339};

/// Under which id an app knows the customer, vendor or admin whose own id this is: customer 2 and
/// vendor 2 are different people.
pub(super) fn external(role: Role, id: &ExternalId) -> ExternalId {
    let role = match role {
        Role::Customer => CUSTOMER,
        Role::Vendor => VENDOR,
        Role::Admin => ADMIN,
    };
    ExternalId {
        text: format!("{role}:{}", id.text),
        number: id.number,
    }
}

const CUSTOMER: &str = "customer";
const VENDOR: &str = "vendor";
const ADMIN: &str = "admin";

/// As what somebody is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = market::UserType)]
#[serde(rename_all = "UPPERCASE")]
pub enum UserType {
    /// Buys.
    Customer,
    /// Sells.
    Vendor,
    /// Administers.
    Admin,
}

/// A person's id in the JSON type in which it first came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = market::Id)]
#[serde(untagged)]
pub enum Id<'a> {
    /// A number.
    Number(i64),
    /// A string.
    Text(&'a str),
}

/// A person's own id, and as what that person is there: both from the id under which the app knows
/// them. A user whom no `market` client named has no type.
pub(super) fn person(external: &ExternalId) -> (Id<'_>, Option<UserType>) {
    let (kind, text) = match external.text.split_once(':') {
        Some((CUSTOMER, id)) => (Some(UserType::Customer), id),
        Some((VENDOR, id)) => (Some(UserType::Vendor), id),
        Some((ADMIN, id)) => (Some(UserType::Admin), id),
        _ => (None, external.text.as_str()),
    };
    let number = external.number.then(|| text.parse().ok()).flatten();
    (number.map_or(Id::Text(text), Id::Number), kind)
}

/// What stands around everything that succeeds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = market::Envelope)]
#[serde(rename_all = "camelCase")]
pub struct Envelope<T> {
    /// As in HTTP.
    pub status_code: u16,
    /// Always false.
    pub error: bool,
    /// For people.
    pub message: Option<&'static str>,
    /// What it is about.
    pub data: T,
}

impl<T> Envelope<T> {
    /// A success.
    pub fn ok(message: Option<&'static str>, data: T) -> Self {
        Self {
            status_code: 200,
            error: false,
            message,
            data,
        }
    }
}

/// A new chat, which the document puts where words stand elsewhere.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewChat<'a> {
    pub(super) status_code: u16,
    pub(super) error: bool,
    pub(super) message: Chat<'a>,
    pub(super) data: Empty,
}

/// An object with nothing in it.
#[derive(Debug, Serialize)]
pub(super) struct Empty {}

/// What stands around everything that fails.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = market::AppError)]
#[serde(rename_all = "camelCase")]
pub struct AppError<'a> {
    /// Always true.
    pub error: bool,
    /// What is wrong, and with which field.
    pub message: &'a str,
    /// As in HTTP.
    pub status_code: u16,
}

/// What a vendor and a customer say about a product.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = market::Chat)]
#[serde(rename_all = "camelCase")]
pub struct Chat<'a> {
    /// Ours: opaque, sorts by age.
    pub id: Uuid,
    /// The shop's own id of the product.
    pub product_id: &'a str,
    /// Who sells; `null` once that user is deleted.
    pub vendor_id: Option<Id<'a>>,
    /// Who buys; `null` once that user is deleted.
    pub customer_id: Option<Id<'a>>,
    /// A picture of the product, as in the first message; so are all that follow.
    pub product_image_url: Option<&'a str>,
    /// What it costs.
    pub product_price: Option<&'a str>,
    /// What it is called.
    pub product_name: Option<&'a str>,
    /// A picture of the vendor's store.
    pub store_logo_url: Option<&'a str>,
    /// A picture of the customer.
    pub customer_profile_pic: Option<&'a str>,
    /// What the customer is called.
    pub customer_name: Option<&'a str>,
    /// What the vendor's store is called.
    pub store_name: Option<&'a str>,
    /// When the newest message was sent.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_message_at: Option<Rfc3339>,
    /// When the chat began.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Rfc3339,
    /// When something in it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Rfc3339,
    /// The newest messages, oldest first.
    pub messages: Vec<Message<'a>>,
}

impl<'a> Chat<'a> {
    /// A chat with these messages.
    pub fn new(site: &Site, view: &'a ConversationView, messages: &'a [MessageView]) -> Self {
        let parts = (&*view.conversation, &*view.details, &*view.members);
        Self {
            last_message_at: view.last_message_at.map(Rfc3339),
            updated_at: Rfc3339(view.updated_at),
            messages: messages.iter().map(|it| Message::new(site, it)).collect(),
            ..Self::empty(parts)
        }
    }

    /// A chat that has just begun with a message.
    pub(super) fn begun(site: &Site, scene: &'a Scene, message: &'a MessageView) -> Self {
        let parts = (&*scene.conversation, &*scene.details, &*scene.members);
        let at: Timestamp = message.message.created_at;
        Self {
            last_message_at: Some(Rfc3339(at)),
            updated_at: Rfc3339(at),
            messages: vec![Message::new(site, message)],
            ..Self::empty(parts)
        }
    }

    fn empty((conversation, details, members): (&Conversation, &'a Details, &'a [Member])) -> Self {
        static NOTHING: Product = Product {
            id: String::new(),
            name: None,
            price: None,
            image_url: None,
            store_name: None,
            store_logo_url: None,
            customer_name: None,
            customer_picture: None,
        };
        let product = details.product.as_deref().unwrap_or(&NOTHING);
        let id_of = |wanted: UserType| {
            let mut people = members.iter().map(|member| person(&member.user.external));
            people.find_map(|(id, kind)| (kind == Some(wanted)).then_some(id))
        };
        Self {
            id: conversation.uuid,
            product_id: &product.id,
            vendor_id: id_of(UserType::Vendor),
            customer_id: id_of(UserType::Customer),
            product_image_url: product.image_url.as_deref(),
            product_price: product.price.as_deref(),
            product_name: product.name.as_deref(),
            store_logo_url: product.store_logo_url.as_deref(),
            customer_profile_pic: product.customer_picture.as_deref(),
            customer_name: product.customer_name.as_deref(),
            store_name: product.store_name.as_deref(),
            last_message_at: None,
            created_at: Rfc3339(conversation.created_at),
            updated_at: Rfc3339(conversation.created_at),
            messages: Vec::new(),
        }
    }
}

/// What somebody wrote.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = market::Message)]
#[serde(rename_all = "camelCase")]
pub struct Message<'a> {
    /// Ours: opaque, sorts by age.
    pub id: Uuid,
    /// Who wrote it.
    pub sender_id: Id<'a>,
    /// As it came; `null` beside files without a text.
    pub text: Option<&'a str>,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Rfc3339,
    /// Whether the other one has read it.
    pub read: bool,
    /// Whether the other one was there when it was written.
    pub recipient_online: bool,
    /// Where it stands.
    pub chat_id: Uuid,
    /// As what its sender wrote it.
    pub sender_type: Option<UserType>,
    /// Files that came with it.
    pub message_medias: Vec<File<'a>>,
}

impl<'a> Message<'a> {
    /// As both see it.
    pub fn new(site: &Site, view: &'a MessageView) -> Self {
        let message = &view.message;
        let body = &message.body;
        let (sender_id, sender_type) = person(&view.sender.external);
        Self {
            id: message.uuid,
            sender_id,
            text: (!body.text.is_empty()).then_some(&*body.text),
            timestamp: Rfc3339(message.created_at),
            read: view.seen,
            recipient_online: message.recipient_online.unwrap_or(true),
            chat_id: view.conversation.uuid,
            sender_type,
            message_medias: body.media.iter().map(|it| File::new(site, it)).collect(),
        }
    }
}

/// A file that came with a message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = market::File)]
#[serde(rename_all = "camelCase")]
pub struct File<'a> {
    /// Ours: opaque.
    pub id: &'a str,
    /// Where it is, whatever it is.
    pub image_url: String,
    /// The same.
    pub url: String,
    /// Its size in bytes, as text.
    pub size: String,
    /// What it is, decided by its content.
    pub mime_type: &'a str,
    /// Where a small picture of it is, if there is one.
    pub thumbnail: Option<String>,
}

impl<'a> File<'a> {
    fn new(site: &Site, media: &'a Media) -> Self {
        let url = site.media_url(media);
        let name = media.name.as_str();
        Self {
            id: name.split_once('.').map_or(name, |(id, _)| id),
            image_url: url.clone(),
            url,
            size: media.bytes.to_string(),
            mime_type: &media.mime,
            thumbnail: media.thumbnail.as_deref().map(|it| site.media_url(it)),
        }
    }
}
