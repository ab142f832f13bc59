//! What a request brought, read into what each endpoint takes. The structures also describe the
//! endpoints to others.

use std::ops::RangeInclusive;

use chat::{ExternalId, Media, Refusal, Subject, model::Product};
use utoipa::{IntoParams, ToSchema};

use crate::{
    market::incoming::{
        CHATS, HISTORY, MAX_NAME, MAX_PAGE, MAX_PRICE, MAX_URL, MESSAGES, read_client_id,
    },
    payload::{MAX_EXTERNAL_ID, invalid},
    rest::{Form, Input, required},
};

/// Sends files to the other one of a chat about a product, which begins with them if there is none.
/// What it says about product, store and customer counts if it is the first message.
#[derive(Debug, ToSchema)]
#[schema(as = market::SendFiles, rename_all = "camelCase")]
pub struct SendFiles {
    /// The shop's own id of the product, 1 to 256 bytes.
    pub product_id: String,
    /// The shop's own id of the recipient, 1 to 256 bytes: a vendor if a customer sends, and the
    /// reverse.
    #[schema(value_type = String)]
    pub recipient_id: ExternalId,
    /// Beside the files; 65536 bytes unless the app has another limit.
    #[schema(nullable = false)]
    pub text: Option<String>,
    /// The same id from the same sender in the same chat makes one message, 1 to 128 bytes. May also
    /// stand in the header `Idempotency-Key`.
    #[schema(nullable = false)]
    pub client_message_id: Option<String>,
    /// What the product is called, up to 256 bytes.
    #[schema(nullable = false)]
    pub product_name: Option<String>,
    /// What it costs, up to 64 bytes.
    #[schema(nullable = false)]
    pub product_price: Option<String>,
    /// Where a picture of it is, up to 2048 bytes.
    #[schema(nullable = false)]
    pub product_image_url: Option<String>,
    /// What the vendor's store is called, up to 256 bytes.
    #[schema(nullable = false)]
    pub store_name: Option<String>,
    /// Where a picture of the store is, up to 2048 bytes.
    #[schema(nullable = false)]
    pub store_logo_url: Option<String>,
    /// What the customer is called, up to 256 bytes.
    #[schema(nullable = false)]
    pub customer_name: Option<String>,
    /// Where a picture of the customer is, up to 2048 bytes.
    #[schema(nullable = false)]
    pub customer_profile_pic: Option<String>,
    /// One to ten files, in fields of any names.
    #[schema(value_type = Vec<String>, format = Binary)]
    pub files: Vec<Media>,
}

impl SendFiles {
    pub(super) fn read(asker: &Subject, input: Input<'_>) -> Result<Self, Refusal> {
        let label = |name| input.label(name, MAX_NAME, "must have at most 256 bytes");
        let url = |name| input.label(name, MAX_URL, "must have at most 2048 bytes");
        let read = Self {
            product_id: id(input, "productId")?,
            recipient_id: recipient(asker, id(input, "recipientId")?),
            text: input.text("text")?,
            client_message_id: input
                .text("clientMessageId")?
                .map(read_client_id)
                .transpose()?,
            product_name: label("productName")?,
            product_price: input.label("productPrice", MAX_PRICE, "must have at most 64 bytes")?,
            product_image_url: url("productImageUrl")?,
            store_name: label("storeName")?,
            store_logo_url: url("storeLogoUrl")?,
            customer_name: label("customerName")?,
            customer_profile_pic: url("customerProfilePic")?,
            files: files(input),
        };
        if read.files.is_empty() {
            return Err(invalid("body", "must be a multipart form with a file"));
        }
        Ok(read)
    }

    /// What is said about the product.
    pub(super) fn product(self) -> Product {
        Product {
            id: self.product_id,
            name: self.product_name,
            price: self.product_price,
            image_url: self.product_image_url,
            store_name: self.store_name,
            store_logo_url: self.store_logo_url,
            customer_name: self.customer_name,
            customer_picture: self.customer_profile_pic,
        }
    }
}

fn id(input: Input<'_>, name: &'static str) -> Result<String, Refusal> {
    let id = required(name, input.text(name)?)?;
    if id.trim().is_empty() || id.len() > MAX_EXTERNAL_ID {
        return Err(invalid(name, "must be a string of 1 to 256 bytes"));
    }
    Ok(id)
}

/// In a form every id is text, so the type in which a recipient is shown who is not known yet is taken
/// from the sender's: a shop that counts its customers counts its vendors.
fn recipient(asker: &Subject, id: String) -> ExternalId {
    let is_number = id.parse().is_ok_and(|number: i64| number.to_string() == id);
    ExternalId {
        number: is_number && asker.id.number,
        text: id,
    }
}

fn files(input: Input<'_>) -> Vec<Media> {
    match input {
        Input::Json(_) => Vec::new(),
        Input::Form(form) => form.files.iter().map(|(_, media)| media.clone()).collect(),
    }
}

/// A page of the asker's chats.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ChatsQuery {
    /// Which page, from 1, which has the newest.
    #[param(value_type = Option<u32>, minimum = 1, nullable = false)]
    pub page: u32,
    /// Chats on a page: 50, at most 100.
    #[param(value_type = Option<u32>, minimum = 1, nullable = false)]
    pub limit: u32,
    /// Which page of the messages of each chat, from 1, which has the newest.
    #[param(value_type = Option<u32>, minimum = 1, nullable = false)]
    pub message_page: u32,
    /// Messages on such a page: 20, at most 100.
    #[param(value_type = Option<u32>, minimum = 1, nullable = false)]
    pub message_limit: u32,
}

impl ChatsQuery {
    pub(super) fn read(query: &Form) -> Result<Self, Refusal> {
        let query = Input::Form(query);
        Ok(Self {
            page: whole(query, "page")?.unwrap_or(1),
            limit: whole(query, "limit")?.unwrap_or(CHATS).min(MAX_PAGE),
            message_page: whole(query, "messagePage")?.unwrap_or(1),
            message_limit: whole(query, "messageLimit")?
                .unwrap_or(MESSAGES)
                .min(MAX_PAGE),
        })
    }
}

/// A page of the messages of a chat.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ChatQuery {
    /// Which page, from 1, which has the newest.
    #[param(value_type = Option<u32>, minimum = 1, nullable = false)]
    pub message_page: u32,
    /// Messages on a page: 1000, which is also the most.
    #[param(value_type = Option<u32>, minimum = 1, nullable = false)]
    pub message_limit: u32,
}

impl ChatQuery {
    pub(super) fn read(query: &Form) -> Result<Self, Refusal> {
        let query = Input::Form(query);
        Ok(Self {
            message_page: whole(query, "messagePage")?.unwrap_or(1),
            message_limit: whole(query, "messageLimit")?
                .unwrap_or(HISTORY)
                .min(HISTORY),
        })
    }
}

fn whole(query: Input<'_>, name: &'static str) -> Result<Option<u32>, Refusal> {
    const RANGE: RangeInclusive<u32> = 1..=u32::MAX;
    query.digits(name, RANGE, "must be a whole number, 1 or more")
}
