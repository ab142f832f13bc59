//! The endpoints of `stream`, as pure functions: what a request asks for, and what it is answered.
//!
//! Here rooms are made and ruled, and people write and vote; readers are told on sockets, by
//! `outgoing`. `channel` is what a path names: a slug, or the channel's id in digits. `input` reads,
//! `answer` has the bodies, `words` say a no.

mod answer;
mod input;
#[cfg(test)]
mod tests;
mod words;

use chat::{
    Body, Command, Destination, Query, Refusal, Timestamp, UserRef,
    model::Scope,
    query::Before,
    room::{RoomAct, RoomName},
};

pub use self::answer::{Data, Failure, Status, Success, failure};
pub use self::input::{
    AddModerator, BanUser, ChatCommand, CreateChannel, CreatePoll, MessagesQuery, MinDuration,
    PinMessage, PostEvent, SendMessage, SenderName, SlowMode, Subscribe, Switch, UpdateChatroom,
    UpdateLivestream, Vote,
};
pub use self::words::{explain, status};
use super::further;
use crate::{
    Answered, Request, Site, payload,
    rest::{self, Form, Input, Response},
};

const OK: u16 = 200;
const CREATED: u16 = 201;
/// Messages on a page.
const PAGE: u32 = 50;

/// A request that was read.
#[derive(Clone, Debug)]
pub struct Call {
    request: Request,
    shape: Shape,
}

/// What an answer looks like.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Channel {
        status: u16,
    },
    Chatroom,
    History {
        is_newest: bool,
    },
    Poll {
        now: Timestamp,
    },
    Livestream,
    Moderators {
        status: u16,
    },
    /// The message.
    Sent,
    /// What readers are told.
    Told {
        status: u16,
    },
    /// What readers are told of what the room allows, if that has changed.
    Modes,
    /// What readers are told of the live stream, if that has changed.
    Live,
    /// What readers are told of the poll, now or soon.
    Voted {
        option: u32,
        now: Timestamp,
    },
}

/// `POST /api/v2/channels`
pub fn create_channel(body: Input<'_>) -> Result<Call, Refusal> {
    let read = CreateChannel::read(body)?;
    let command = Command::CreateRoom {
        slug: read.slug.to_ascii_lowercase(),
        title: read.title,
        owner: read.owner.unwrap_or(read.slug),
        private: read.private.unwrap_or(false),
    };
    let status = CREATED;
    Ok(asks(Shape::Channel { status }, command))
}

/// `GET /api/v2/channels/{slug}`
pub fn get_channel(channel: &str) -> Result<Call, Refusal> {
    looks(Shape::Channel { status: OK }, channel)
}

/// `GET /api/v2/channels/{slug}/info`
pub fn get_info(channel: &str) -> Result<Call, Refusal> {
    looks(Shape::Channel { status: OK }, channel)
}

/// `GET /api/v2/channels/{slug}/chatroom`
pub fn get_chatroom(channel: &str) -> Result<Call, Refusal> {
    looks(Shape::Chatroom, channel)
}

/// `GET /api/v2/channels/{slug}/polls`; `now` is the time of asking.
pub fn get_poll(channel: &str, now: Timestamp) -> Result<Call, Refusal> {
    looks(Shape::Poll { now }, channel)
}

/// `GET /api/v2/channels/{slug}/livestream`
pub fn get_livestream(channel: &str) -> Result<Call, Refusal> {
    looks(Shape::Livestream, channel)
}

/// `GET /api/v2/channels/{slug}/moderators`
pub fn get_moderators(channel: &str) -> Result<Call, Refusal> {
    looks(Shape::Moderators { status: OK }, channel)
}

/// `GET /api/v2/channels/{slug}/messages`
pub fn list_messages(channel: &str, query: &Form) -> Result<Call, Refusal> {
    let MessagesQuery { cursor } = MessagesQuery::read(query)?;
    let query = Query::Room {
        room: room(channel)?,
        before: cursor.map(Before::G),
        limit: PAGE,
    };
    let is_newest = cursor.is_none();
    Ok(Call {
        request: Request::query(query),
        shape: Shape::History { is_newest },
    })
}

/// `POST /api/v2/messages/send/{chatroom_id}`; `idempotency_key` is the header of that name.
pub fn send_message(
    asker: Scope,
    chatroom: &str,
    body: Input<'_>,
    idempotency_key: Option<&str>,
) -> Result<Call, Refusal> {
    let room = chatroom_of(chatroom)?;
    let read = SendMessage::read(body, asker)?;
    let client_id = idempotency_key.map(rest::idempotency_key).transpose()?;
    let standing = read.sender.as_ref().map(SenderName::standing);
    let body = Body {
        text: read.content,
        metadata: read.metadata,
        reply_to: read.reply_to,
        ..Body::default()
    };
    let command = Command::Send {
        to: Destination::Room { room, standing },
        sender: who(read.sender.as_ref()),
        body,
        client_id,
    };
    Ok(asks(Shape::Sent, command))
}

/// `DELETE /api/v2/chatrooms/{chatroom_id}/messages/{id}`
pub fn delete_message(chatroom: &str, id: &str) -> Result<Call, Refusal> {
    let room = chatroom_of(chatroom)?;
    // An id that cannot be one names nothing.
    let message = payload::uuid(id).ok_or(Refusal::UnknownMessage)?;
    let act = RoomAct::DeleteMessage { message };
    Ok(acts(Shape::Told { status: OK }, room, act))
}

/// `POST /api/v2/channels/{slug}/bans`
pub fn ban(channel: &str, body: Input<'_>) -> Result<Call, Refusal> {
    let read = BanUser::read(body)?;
    let minutes = read.minutes();
    let username = read.banned_username;
    created(channel, RoomAct::Ban { username, minutes })
}

/// `DELETE /api/v2/channels/{slug}/bans/{username}`
pub fn unban(channel: &str, username: &str) -> Result<Call, Refusal> {
    let username = username.to_owned();
    told(channel, RoomAct::Unban { username })
}

/// `POST /api/v2/channels/{slug}/chat-commands`
pub fn run_command(channel: &str, body: Input<'_>) -> Result<Call, Refusal> {
    // There is one.
    ChatCommand::read(body)?;
    told(channel, RoomAct::Clear)
}

/// `PUT /api/v2/channels/{slug}/chatroom`
pub fn set_modes(channel: &str, body: Input<'_>) -> Result<Call, Refusal> {
    let patch = UpdateChatroom::read(body)?.patch()?;
    let act = RoomAct::SetModes(patch);
    Ok(acts(Shape::Modes, room(channel)?, act))
}

/// `POST /api/v2/channels/{slug}/pinned-message`
pub fn pin(channel: &str, body: Input<'_>) -> Result<Call, Refusal> {
    let read = PinMessage::read(body)?;
    let act = RoomAct::Pin {
        message: read.message.id,
        seconds: read.duration,
    };
    created(channel, act)
}

/// `DELETE /api/v2/channels/{slug}/pinned-message`
pub fn unpin(channel: &str) -> Result<Call, Refusal> {
    told(channel, RoomAct::Unpin)
}

/// `POST /api/v2/channels/{slug}/polls`
pub fn open_poll(channel: &str, body: Input<'_>) -> Result<Call, Refusal> {
    let read = CreatePoll::read(body)?;
    let act = RoomAct::OpenPoll {
        title: read.title,
        options: read.options,
        seconds: read.duration,
        display_seconds: read.result_display_duration,
    };
    created(channel, act)
}

/// `DELETE /api/v2/channels/{slug}/polls`
pub fn close_poll(channel: &str) -> Result<Call, Refusal> {
    told(channel, RoomAct::ClosePoll)
}

/// `POST /api/v2/channels/{slug}/polls/vote`; `now` is the time of asking.
pub fn vote(asker: Scope, channel: &str, body: Input<'_>, now: Timestamp) -> Result<Call, Refusal> {
    let Vote { id: option, sender } = Vote::read(body, asker)?;
    let voter = who(sender.as_ref());
    let act = RoomAct::Vote { option, voter };
    Ok(acts(Shape::Voted { option, now }, room(channel)?, act))
}

/// `POST /api/v2/channels/{slug}/subscriptions`
pub fn tell_subscription(channel: &str, body: Input<'_>) -> Result<Call, Refusal> {
    let Subscribe { username, months } = Subscribe::read(body)?;
    created(channel, RoomAct::Subscription { username, months })
}

/// `PUT /api/v2/channels/{slug}/livestream`
pub fn set_livestream(channel: &str, body: Input<'_>) -> Result<Call, Refusal> {
    let patch = UpdateLivestream::read(body)?.patch()?;
    let act = RoomAct::SetLivestream(patch);
    Ok(acts(Shape::Live, room(channel)?, act))
}

/// `POST /api/v2/channels/{slug}/events`
pub fn tell_event(channel: &str, body: Input<'_>) -> Result<Call, Refusal> {
    let PostEvent { event, data } = PostEvent::read(body)?;
    further::check_event(&event, &data)?;
    created(channel, RoomAct::Announce { event, data })
}

/// `POST /api/v2/channels/{slug}/moderators`
pub fn add_moderator(channel: &str, body: Input<'_>) -> Result<Call, Refusal> {
    let AddModerator { username } = AddModerator::read(body)?;
    moderates(CREATED, channel, RoomAct::AddModerator { username })
}

/// `DELETE /api/v2/channels/{slug}/moderators/{username}`
pub fn remove_moderator(channel: &str, username: &str) -> Result<Call, Refusal> {
    let username = username.to_owned();
    moderates(OK, channel, RoomAct::RemoveModerator { username })
}

/// A channel by its slug, or by its id: slugs are not only digits.
fn room(channel: &str) -> Result<RoomName, Refusal> {
    if channel.bytes().all(|byte| byte.is_ascii_digit()) {
        let number = channel.parse();
        return Ok(RoomName::Channel(
            number.map_err(|_| Refusal::UnknownConversation)?,
        ));
    }
    Ok(RoomName::Slug(channel.to_ascii_lowercase()))
}

fn chatroom_of(text: &str) -> Result<RoomName, Refusal> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_plain);
    Ok(RoomName::Chatroom(
        number.ok_or(Refusal::UnknownConversation)?,
    ))
}

/// Whom the app's own server names, else whom the token proves.
fn who(sender: Option<&SenderName>) -> UserRef {
    sender.map_or(UserRef::Subject, SenderName::user)
}

fn looks(shape: Shape, channel: &str) -> Result<Call, Refusal> {
    let request = Request::query(look(room(channel)?));
    Ok(Call { request, shape })
}

/// A room without its history.
fn look(room: RoomName) -> Query {
    Query::Room {
        room,
        before: None,
        limit: 0,
    }
}

fn asks(shape: Shape, command: Command) -> Call {
    let request = Request::command(command);
    Call { request, shape }
}

fn acts(shape: Shape, room: RoomName, act: RoomAct) -> Call {
    let act = Box::new(act);
    let by = None;
    asks(shape, Command::InRoom { room, by, act })
}

fn told(channel: &str, act: RoomAct) -> Result<Call, Refusal> {
    Ok(acts(Shape::Told { status: OK }, room(channel)?, act))
}

fn created(channel: &str, act: RoomAct) -> Result<Call, Refusal> {
    let shape = Shape::Told { status: CREATED };
    Ok(acts(shape, room(channel)?, act))
}

/// Changes who moderates, and looks who does then.
fn moderates(status: u16, channel: &str, act: RoomAct) -> Result<Call, Refusal> {
    let room = room(channel)?;
    let mut call = acts(Shape::Moderators { status }, room.clone(), act);
    call.request.query = Some(look(room));
    Ok(call)
}

impl rest::Call for Call {
    fn request(&self) -> &Request {
        &self.request
    }

    fn answer(&self, site: &Site, result: Result<&Answered, &Refusal>) -> Response {
        let shown = result.and_then(|answered| self.shown(site, answered));
        shown.unwrap_or_else(|refusal| answer::refuse(Some(self), refusal))
    }

    fn refuse(refusal: &Refusal) -> Response {
        answer::refuse(None, refusal)
    }
}
