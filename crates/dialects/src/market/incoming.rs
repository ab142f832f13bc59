//! Client events of `market`, read into commands and queries.
//!
//! Checks forms only; what is allowed is decided in `chat`. `outgoing` is the way back.

use chat::{
    Body, Command, ConversationKind, ConversationRef, Destination, Query, Refusal, Role, Subject,
    UserRef, command::ProductRef, model::Product,
};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{
    Incoming, Request, Seat,
    market::{CHAT, NAME, objects::external},
    payload::{Field, fields, invalid},
};

/// How many chats one is sent that asks for no page.
pub(super) const CHATS: u32 = 50;
/// And how many of the newest messages of each.
pub(super) const MESSAGES: u32 = 20;
/// The most chats on a page, and the most messages of each.
pub(super) const MAX_PAGE: u32 = 100;
/// The most messages of one chat: a page that has no word for paging shows it as a whole.
pub(super) const HISTORY: u32 = 1_000;
/// The most messages that are handed out as missed.
const MISSED: u32 = 1_000;

/// The longest `clientMessageId`, in UTF-8 bytes.
const MAX_CLIENT_ID: usize = 128;
/// The longest name of a product, store or customer, in UTF-8 bytes.
pub(super) const MAX_NAME: usize = 256;
/// The longest URL of a picture.
pub(super) const MAX_URL: usize = 2048;
/// The longest price.
pub(super) const MAX_PRICE: usize = 64;

/// Who may come in: customers and vendors, and on `/presence` whoever has a role.
pub(super) fn admit(namespace: &str, subject: Option<&Subject>) -> Result<(), Refusal> {
    match subject.map(|subject| subject.role) {
        Some(Some(Role::Customer | Role::Vendor)) => Ok(()),
        Some(Some(Role::Admin)) if namespace != CHAT => Ok(()),
        Some(_) => Err(Refusal::WrongRole {
            must: "must be customer or vendor",
        }),
        None => Err(Refusal::TokenRequired),
    }
}

/// On `/chat` the chats, and what was missed.
pub(super) fn greet(namespace: &str) -> Vec<Request> {
    let register = Request::command(Command::Register {
        user: UserRef::Subject,
        dialect: NAME,
        alone: false,
    });
    if namespace != CHAT {
        return vec![register];
    }
    let chats = Request {
        query: Some(all_chats()),
        ..register
    };
    let missed = Request {
        query: Some(Query::Missed {
            user: UserRef::Subject,
            limit: MISSED,
        }),
        ..Request::command(Command::CollectMissed {
            user: UserRef::Subject,
        })
    };
    vec![chats, missed]
}

/// The first page of the asker's chats.
pub(super) fn all_chats() -> Query {
    chats(1, CHATS, 1, MESSAGES)
}

/// A page of the asker's chats, with a page of the messages of each; both are counted from 1.
pub(super) fn chats(page: u64, limit: u32, message_page: u64, message_limit: u32) -> Query {
    Query::Conversations {
        user: UserRef::Subject,
        kind: Some(ConversationKind::Product),
        offset: offset(page, limit),
        limit,
        message_offset: offset(message_page, message_limit),
        message_limit,
    }
}

/// What stands before a page.
pub(super) fn offset(page: u64, limit: u32) -> u64 {
    page.saturating_sub(1).saturating_mul(u64::from(limit))
}

pub(super) fn claims(event: &Incoming) -> bool {
    reader(event).is_some()
}

pub(super) fn read(seat: &Seat<'_>, event: &Incoming) -> Result<Request, Refusal> {
    let read = reader(event).ok_or(Refusal::UnknownEvent)?;
    read(seat, event.args.first().map(AsRef::as_ref))
}

type Reader = fn(&Seat<'_>, Option<&RawValue>) -> Result<Request, Refusal>;

/// The client events of this dialect: all of them are about talking.
fn reader(event: &Incoming) -> Option<Reader> {
    if event.namespace != CHAT {
        return None;
    }
    match event.name.as_str() {
        "joinChat" => Some(read_join_chat),
        "joinRooms" | "getUserChats" => Some(read_chats),
        "sendMessage" => Some(read_send),
        "markAsRead" => Some(read_mark_as_read),
        "deleteMessage" => Some(read_delete),
        "typing" => Some(|seat, payload| read_typing(seat, payload, true)),
        "stoppedTyping" => Some(|seat, payload| read_typing(seat, payload, false)),
        _ => None,
    }
}

/// `joinChat { chatId, messagePage?, messageLimit? }`
fn read_join_chat(_seat: &Seat<'_>, payload: Option<&RawValue>) -> Result<Request, Refusal> {
    let [chat, page, limit] = fields(
        payload,
        ["chatId", "messagePage", "messageLimit"],
        "must be an object with chatId",
    )?;
    let chat = own_chat(chat.uuid()?);
    let limit = read_limit(limit, HISTORY)?.unwrap_or(HISTORY);
    Ok(Request {
        query: Some(Query::History {
            conversation: chat.clone(),
            viewer: Some(UserRef::Subject),
            before: None,
            offset: offset(read_page(page)?, limit),
            limit,
        }),
        ..Request::command(Command::MarkAllRead {
            conversation: chat,
            reader: UserRef::Subject,
            tells: false,
        })
    })
}

/// `joinRooms`, `getUserChats { page?, limit?, messagePage?, messageLimit? }`, or nothing.
fn read_chats(_seat: &Seat<'_>, payload: Option<&RawValue>) -> Result<Request, Refusal> {
    let Some(payload) = payload.filter(|payload| payload.get() != "null") else {
        return Ok(Request::query(all_chats()));
    };
    let [page, limit, message_page, message_limit] = fields(
        Some(payload),
        ["page", "limit", "messagePage", "messageLimit"],
        "must be an object with page, limit, messagePage and messageLimit, or nothing",
    )?;
    Ok(Request::query(chats(
        read_page(page)?,
        read_limit(limit, MAX_PAGE)?.unwrap_or(CHATS),
        read_page(message_page)?,
        read_limit(message_limit, MAX_PAGE)?.unwrap_or(MESSAGES),
    )))
}

fn read_page(page: Field<'_>) -> Result<u64, Refusal> {
    let page = page.optional_whole(1, "must be a whole number, 1 or more")?;
    Ok(page.unwrap_or(1))
}

/// More than `max` is taken as `max`.
fn read_limit(limit: Field<'_>, max: u32) -> Result<Option<u32>, Refusal> {
    let limit = limit.optional_whole(1, "must be a whole number, 1 or more")?;
    Ok(limit.map(|limit| u32::try_from(limit).map_or(max, |limit| limit.min(max))))
}

/// `sendMessage { productId, recipientId, text, ... }`, or with `chatId` in place of the two. What it
/// says about product, store and customer counts if it is the first message.
fn read_send(seat: &Seat<'_>, payload: Option<&RawValue>) -> Result<Request, Refusal> {
    const MUST: &str = "must be an object with productId, recipientId and text";
    let [product, recipient, chat, text, client_id] = fields(
        payload,
        [
            "productId",
            "recipientId",
            "chatId",
            "text",
            "clientMessageId",
        ],
        MUST,
    )?;
    let has = |field: Field<'_>| field.optional(|_| Ok(())).map(|found| found.is_some());
    let names_product = has(product)? && has(recipient)?;
    let to = if !names_product && has(chat)? {
        Destination::Conversation(own_chat(chat.uuid()?))
    } else {
        let about = about(seat, product, recipient)?;
        Destination::Product {
            vendor: about.vendor,
            customer: about.customer,
            product: Box::new(read_product(payload, about.product)?),
        }
    };
    Ok(Request::command(Command::Send {
        to,
        sender: UserRef::Subject,
        body: Body::text(text.text()?),
        client_id: client_id
            .optional(Field::text)?
            .map(read_client_id)
            .transpose()?,
    }))
}

/// The id of a retry.
pub(super) fn read_client_id(id: String) -> Result<String, Refusal> {
    if id.is_empty() || id.len() > MAX_CLIENT_ID {
        return Err(invalid(
            "clientMessageId",
            "must be a string of 1 to 128 bytes",
        ));
    }
    Ok(id)
}

/// What the first message says about the product called `id`.
fn read_product(payload: Option<&RawValue>, id: String) -> Result<Product, Refusal> {
    let [name, price, image, store, logo, customer, picture] = fields(
        payload,
        [
            "productName",
            "productPrice",
            "productImageUrl",
            "storeName",
            "storeLogoUrl",
            "customerName",
            "customerProfilePic",
        ],
        "must be an object",
    )?;
    let called = |field: Field<'_>| {
        const MUST: &str = "must be a string of at most 256 bytes";
        field.optional(|field| field.label(MAX_NAME, MUST))
    };
    let url = |field: Field<'_>| {
        const MUST: &str = "must be a string of at most 2048 bytes";
        field.optional(|field| field.label(MAX_URL, MUST))
    };
    let price = price.optional(|price| {
        price.text_or_number(MAX_PRICE, "must be a string or number of at most 64 bytes")
    })?;
    Ok(Product {
        id,
        name: called(name)?,
        price,
        image_url: url(image)?,
        store_name: called(store)?,
        store_logo_url: url(logo)?,
        customer_name: called(customer)?,
        customer_picture: url(picture)?,
    })
}

/// `markAsRead { productId, recipientId }`
fn read_mark_as_read(seat: &Seat<'_>, payload: Option<&RawValue>) -> Result<Request, Refusal> {
    Ok(Request::command(Command::MarkAllRead {
        conversation: read_chat(seat, payload)?,
        reader: UserRef::Subject,
        tells: true,
    }))
}

/// `deleteMessage { productId, recipientId, messageId }`
fn read_delete(seat: &Seat<'_>, payload: Option<&RawValue>) -> Result<Request, Refusal> {
    let chat = read_chat(seat, payload)?;
    let [message] = fields(payload, ["messageId"], MUST_NAME_CHAT)?;
    Ok(Request::command(Command::DeleteMessage {
        message: message.uuid()?,
        within: Some(chat),
        by: Some(UserRef::Subject),
    }))
}

/// `typing`, `stoppedTyping { productId, recipientId }`
fn read_typing(
    seat: &Seat<'_>,
    payload: Option<&RawValue>,
    writes: bool,
) -> Result<Request, Refusal> {
    Ok(Request::command(Command::Typing {
        conversation: read_chat(seat, payload)?,
        user: UserRef::Subject,
        writes,
    }))
}

const MUST_NAME_CHAT: &str = "must be an object with productId and recipientId";

/// The chat with a person about a product.
fn read_chat(seat: &Seat<'_>, payload: Option<&RawValue>) -> Result<ConversationRef, Refusal> {
    let [product, recipient] = fields(payload, ["productId", "recipientId"], MUST_NAME_CHAT)?;
    about(seat, product, recipient).map(ConversationRef::Product)
}

/// The token's role says on which side of a chat the asker is: the other one is on the other.
fn about(seat: &Seat<'_>, product: Field<'_>, recipient: Field<'_>) -> Result<ProductRef, Refusal> {
    let product = product.external_id()?.text;
    let recipient = recipient.external_id()?;
    admit(CHAT, seat.subject)?;
    let asker = UserRef::Subject;
    let (vendor, customer) = match seat.subject.and_then(|subject| subject.role) {
        Some(Role::Vendor) => (asker, UserRef::Named(external(Role::Customer, &recipient))),
        _ => (UserRef::Named(external(Role::Vendor, &recipient)), asker),
    };
    Ok(ProductRef {
        product,
        vendor,
        customer,
    })
}

/// A chat by its id.
fn own_chat(chat: Uuid) -> ConversationRef {
    ConversationRef::OfKind(chat, ConversationKind::Product)
}
