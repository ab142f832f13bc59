//! What a request is answered with: a status, and a body around the dialect's objects.

use chat::{
    Refusal, Reply, View,
    model::{ConversationView, MemberRole},
    query::RoomView,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{CREATED, Call, OK, Shape, explain, status};
use crate::{
    Answered, Site,
    rest::Response,
    stream::{
        objects::{
            Empty, Livestream, LivestreamUpdated, Message, Modes, Person, Place, Poll, PollUpdate,
        },
        outgoing,
        pages::{Channel, Chatroom, CurrentLivestream, History},
    },
};

pub(super) fn refuse(call: Option<&Call>, refusal: &Refusal) -> Response {
    let message = explain(call, refusal);
    failure(status(call, refusal), refusal.code(), &message)
}

/// What every request is answered with that did not do what it asked for.
pub fn failure(status: u16, code: &str, message: &str) -> Response {
    Response::new(status, &Failure { message, code })
}

/// Nothing was changed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = stream::Failure)]
pub struct Failure<'a> {
    /// Why, for people; names the field.
    pub message: &'a str,
    /// Why, for programs; does not change between releases.
    pub code: &'a str,
}

/// What stands around some answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = stream::Data)]
pub struct Data<T> {
    /// What it is about.
    pub data: T,
}

/// What stands around others.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = stream::Success)]
pub struct Success<T> {
    /// Always the same.
    pub status: Status,
    /// What it is about.
    pub data: T,
    /// Always `success`.
    pub message: &'static str,
}

impl<T> Success<T> {
    fn of(data: T) -> Self {
        Self {
            status: Status {
                error: false,
                code: OK,
                message: "SUCCESS",
            },
            data,
            message: "success",
        }
    }
}

/// That it is a success.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = stream::Status)]
pub struct Status {
    /// Always false.
    pub error: bool,
    /// As in HTTP.
    pub code: u16,
    /// For people.
    pub message: &'static str,
}

impl Call {
    /// Whether it changes nothing.
    pub(super) fn only_looks(&self) -> bool {
        self.request.command.is_none()
    }

    pub(super) fn shown(
        &self,
        site: &Site,
        answered: &Answered,
    ) -> Result<Response, &'static Refusal> {
        let view = match &answered.view {
            Some(View::Room(view)) => Some(&**view),
            _ => None,
        };
        Ok(match (&answered.reply, view) {
            (Some(Reply::Sent { message, .. }), _) => {
                Response::new(CREATED, &Message::new(site, message))
            }
            (_, Some(view)) => self.found(site, view)?,
            (
                Some(Reply::InRoom {
                    event,
                    conversation,
                }),
                _,
            ) => match (self.shape, event) {
                (Shape::Told { status }, Some(event)) => {
                    let told = outgoing::told(site, event, None);
                    let body = told.map(|emit| emit.args).unwrap_or_default();
                    Response { status, body }
                }
                _ => self.changed(site, conversation),
            },
            _ => Response::new(OK, &Empty {}),
        })
    }

    /// What a look at a room found.
    fn found(&self, site: &Site, view: &RoomView) -> Result<Response, &'static Refusal> {
        let room = view.conversation.room();
        Ok(match self.shape {
            Shape::Chatroom => Response::new(OK, &Chatroom::new(site, view)),
            Shape::History { is_newest } => {
                let oldest = view.messages.first();
                let cursor = oldest.map(|oldest| cursor(oldest.message.g));
                let pinned = is_newest.then_some(view);
                let data = History::new(site, &view.messages, cursor, pinned);
                Response::new(OK, &Success::of(data))
            }
            Shape::Poll { now } => {
                let poll = room.and_then(|room| room.poll.as_ref());
                let poll = poll.ok_or(&Refusal::NoPoll)?;
                let poll = Poll::seen(poll, now, view.voted);
                Response::new(OK, &Success::of(PollUpdate { poll }))
            }
            Shape::Livestream => {
                let data = CurrentLivestream::of(&view.conversation);
                Response::new(OK, &Data { data })
            }
            Shape::Moderators { status } => {
                let members = view.conversation.members.iter();
                let moderators = members.filter(|member| member.role == MemberRole::Moderator);
                let data: Vec<_> = moderators.map(|it| Person::new(&it.user)).collect();
                Response::new(status, &Data { data })
            }
            _ => Response::new(OK, &Channel::new(site, &view.conversation)),
        })
    }

    /// What has become of a room.
    fn changed(&self, site: &Site, view: &ConversationView) -> Response {
        let place = Place::of_view(view);
        let room = view.room();
        match self.shape {
            Shape::Channel { status } => Response::new(status, &Channel::new(site, view)),
            Shape::Modes => {
                let modes = room.map(|room| room.modes).unwrap_or_default();
                Response::new(OK, &Modes::new(place, &modes))
            }
            Shape::Live => match room.and_then(|room| room.livestream.as_ref()) {
                Some(stream) => {
                    let livestream = Livestream::new(place, stream);
                    Response::new(OK, &LivestreamUpdated { livestream })
                }
                None => Response::new(OK, &Empty {}),
            },
            Shape::Voted { option, now } => match room.and_then(|room| room.poll.as_ref()) {
                Some(poll) => {
                    let poll = Poll::seen(poll, now, Some(option));
                    Response::new(OK, &PollUpdate { poll })
                }
                None => Response::new(OK, &Empty {}),
            },
            _ => Response::new(OK, &Empty {}),
        }
    }
}

/// What names the page of what is older, in base 36.
pub(super) fn cursor(mut g: u64) -> String {
    let mut digits = Vec::new();
    while g > 0 {
        digits.extend(char::from_digit((g % 36) as u32, 36));
        g /= 36;
    }
    digits.into_iter().rev().collect()
}
