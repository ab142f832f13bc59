//! Who is present: users with a socket by which a dialect tells others so
//! ([`PresenceOf::Announced`]), how others are told, and who waits for that.
//!
//! Known by the token alone, as soon as such a socket comes in. What others are told passes: it has no
//! place in any stream and is not said again. Next: `presence` for who is online.
//!
//! [`PresenceOf::Announced`]: dialects::PresenceOf::Announced

use std::{
    collections::{HashMap, VecDeque},
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use chat::{AppId, ConversationKind, Fault, SessionId, User, UserId, store::UserName};
use dialects::{Dialect, PresenceOf};
use parking_lot::Mutex;

use super::{
    Hub,
    presence::{GRACE, Going},
    socket::Socket,
    timers,
    topic::Topic,
};
use crate::listen::Handle;

/// How long a server that has just started tells nobody that somebody is gone: those who were here
/// before are on their way back.
const QUIET: Duration = Duration::from_secs(20);
/// How long it is remembered that somebody was here.
const LATELY: Duration = Duration::from_mins(10);
/// How many of those who share a conversation with a user are told, and are told of to that user: those
/// with whom it was last spoken. It bounds what one CONNECT costs, some milliseconds of a reader, where
/// a vendor has talked with a million.
const CONTACTS: u32 = 1_000;

/// A user as a token names them: by app and the app's own id.
pub(super) type Person = (AppId, String);

/// What a socket has to do with who is present.
pub(super) struct Standing {
    pub(super) person: Person,
    pub(super) dialect: &'static dyn Dialect,
    /// By this socket others learn that its user is present; else it needs another one that does.
    pub(super) announces: bool,
}

impl Standing {
    /// That of whoever a token names to a dialect; `None` where presence does not matter.
    pub(super) fn of(
        dialect: &'static dyn Dialect,
        namespace: &str,
        person: Person,
    ) -> Option<Self> {
        let announces = match dialect.presence(namespace) {
            PresenceOf::Nobody => return None,
            PresenceOf::Announced => true,
            PresenceOf::Awaited => false,
        };
        Some(Self {
            person,
            dialect,
            announces,
        })
    }
}

/// All who are present, or were lately, or are waited for.
#[derive(Default)]
pub(super) struct Present(Mutex<State>);

#[derive(Default)]
struct State {
    people: HashMap<Person, Seen>,
    /// Those of whom others were told that they are present.
    told: HashMap<UserId, Arc<User>>,
}

#[derive(Default)]
struct Seen {
    sockets: u32,
    /// If the last socket has gone: until when the user stays.
    until: Option<Instant>,
    /// Who this is, if others were told.
    told: Option<UserId>,
    /// Those to be woken when the user comes.
    waiting: Vec<(SessionId, Handle)>,
}

impl Seen {
    fn is_here(&self, now: Instant) -> bool {
        self.sockets > 0 || self.until.is_some_and(|until| now < until)
    }

    /// Whether there is nothing to remember.
    fn is_over(&self, now: Instant) -> bool {
        let is_recent = self.until.is_some_and(|until| now < until + LATELY);
        self.sockets == 0 && !is_recent && self.waiting.is_empty() && self.told.is_none()
    }
}

impl Present {
    /// One more socket is this one's.
    pub(super) fn enter(&self, who: &Person) {
        let waiting = {
            let mut state = self.0.lock();
            let seen = state.people.entry(who.clone()).or_default();
            seen.sockets += 1;
            seen.until = None;
            mem::take(&mut seen.waiting)
        };
        for (_, handle) in waiting {
            handle.wake();
        }
    }

    /// One socket fewer is this one's.
    pub(super) fn leave(&self, who: &Person, going: Going) {
        let mut state = self.0.lock();
        let Some(seen) = state.people.get_mut(who) else {
            return;
        };
        seen.sockets = seen.sockets.saturating_sub(1);
        if seen.sockets == 0 {
            let now = timers::now();
            seen.until = Some(match going {
                Going::Lost => now + GRACE,
                Going::Goodbye => now,
            });
        }
    }

    /// Whether somebody is here.
    pub(super) fn has(&self, who: &Person) -> bool {
        let state = self.0.lock();
        let seen = state.people.get(who);
        seen.is_some_and(|seen| seen.is_here(timers::now()))
    }

    /// Whether somebody is here, or was lately.
    pub(super) fn had_lately(&self, who: &Person) -> bool {
        let state = self.0.lock();
        let seen = state.people.get(who);
        seen.is_some_and(|seen| seen.sockets > 0 || seen.until.is_some())
    }

    /// Whether somebody is here. If not, the connection of a session is woken when that changes.
    pub(super) fn has_or_wakes(&self, who: &Person, session: SessionId, handle: &Handle) -> bool {
        let mut state = self.0.lock();
        let seen = state.people.entry(who.clone()).or_default();
        if seen.is_here(timers::now()) {
            return true;
        }
        if !seen.waiting.iter().any(|(waiting, _)| *waiting == session) {
            seen.waiting.push((session, handle.clone()));
        }
        false
    }

    /// A session waits no longer.
    pub(super) fn stop_waiting(&self, who: &Person, session: SessionId) {
        let mut state = self.0.lock();
        let Some(seen) = state.people.get_mut(who) else {
            return;
        };
        seen.waiting.retain(|(waiting, _)| *waiting != session);
        if seen.is_over(timers::now()) {
            state.people.remove(who);
        }
    }

    /// Others are told now that a user is present. False if they were, or if the user is gone again.
    fn begin_telling(&self, who: &Person, user: &Arc<User>) -> bool {
        let state = &mut *self.0.lock();
        let Some(seen) = state.people.get_mut(who) else {
            return false;
        };
        if seen.told.is_some() || !seen.is_here(timers::now()) {
            return false;
        }
        seen.told = Some(user.id);
        state.told.insert(user.id, Arc::clone(user));
        true
    }

    /// Those among some users of whom others were told that they are present.
    fn among(&self, users: &[UserId]) -> Vec<Arc<User>> {
        let state = self.0.lock();
        let told = users.iter().filter_map(|user| state.told.get(user));
        told.cloned().collect()
    }

    /// Those who have gone and of whom others are to be told so.
    fn take_gone(&self) -> Vec<Arc<User>> {
        let now = timers::now();
        let State { people, told } = &mut *self.0.lock();
        let mut gone = Vec::new();
        people.retain(|_, seen| {
            if !seen.is_here(now) {
                gone.extend(seen.told.take().and_then(|user| told.remove(&user)));
            }
            !seen.is_over(now)
        });
        people.shrink_to(2 * people.len());
        gone
    }
}

/// What others are still to be told, in the order in which it happened.
#[derive(Default)]
pub(super) struct Notices(Mutex<Line>);

#[derive(Default)]
struct Line {
    waiting: VecDeque<Notice>,
    /// Whether somebody tells them.
    is_served: bool,
}

enum Notice {
    /// A socket has come; whoever is behind it is known to the store.
    Came {
        socket: Arc<Socket>,
        person: Person,
        dialect: &'static dyn Dialect,
        announces: bool,
    },
    /// A user is not present any longer.
    Went(Arc<User>),
}

impl Hub {
    /// Has it told, to a socket and to others, that the socket has come.
    pub(super) fn announce(self: &Arc<Self>, socket: &Arc<Socket>, standing: &Standing) {
        self.notify([Notice::Came {
            socket: Arc::clone(socket),
            person: standing.person.clone(),
            dialect: standing.dialect,
            announces: standing.announces,
        }]);
    }

    /// Has it told who has gone since the last time.
    pub(crate) fn tell_gone(self: &Arc<Self>) {
        if timers::now().duration_since(self.started) >= QUIET {
            let gone = self.presence.present.take_gone();
            self.notify(gone.into_iter().map(Notice::Went));
        }
    }

    fn notify(self: &Arc<Self>, notices: impl IntoIterator<Item = Notice>) {
        let mut line = self.notices.0.lock();
        line.waiting.extend(notices);
        if line.waiting.is_empty() || mem::replace(&mut line.is_served, true) {
            return;
        }
        drop(line);
        let hub = Arc::clone(self);
        // One after the other, so that nobody learns of two things about a user the wrong way round.
        (self.reads)(Box::new(move || {
            while let Some(notice) = hub.next_notice() {
                if let Err(fault) = hub.tell(notice) {
                    tracing::error!(%fault, "others are not told who is present");
                }
            }
        }));
    }

    fn next_notice(&self) -> Option<Notice> {
        let mut line = self.notices.0.lock();
        let next = line.waiting.pop_front();
        line.is_served = next.is_some();
        if next.is_none() {
            line.waiting = VecDeque::new();
        }
        next
    }

    /// Blocks.
    fn tell(&self, notice: Notice) -> Result<(), Fault> {
        let contacts = |user: &User| {
            self.metrics.store_reads.inc();
            let kind = ConversationKind::Product;
            self.store.contacts(user.id, kind, CONTACTS)
        };
        match notice {
            Notice::Went(user) => {
                for contact in contacts(&user)? {
                    self.tell_presence(contact, &user, false);
                }
            }
            Notice::Came {
                socket,
                person,
                dialect,
                announces,
            } => {
                self.metrics.store_reads.inc();
                let name = UserName::External(person.1.clone());
                let Some(user) = self.store.user(person.0, &name)? else {
                    return Ok(());
                };
                if announces {
                    self.tell_presence(user.id, &user, true);
                }
                let contacts = contacts(&user)?;
                if announces && self.presence.present.begin_telling(&person, &user) {
                    for contact in &contacts {
                        self.tell_presence(*contact, &user, true);
                    }
                }
                let mut frames = Vec::new();
                for present in self.presence.present.among(&contacts) {
                    if let Some(emit) = dialect.show_presence(&present, true) {
                        let namespace = socket.namespace;
                        wire::frame::write_event(
                            &mut frames,
                            namespace,
                            &emit.name,
                            &emit.args,
                            None,
                        );
                    }
                }
                if !frames.is_empty() {
                    socket.pass(frames.into());
                    socket.handle.wake();
                }
            }
        }
        Ok(())
    }

    /// Tells somebody, in each dialect that has words for it, whether a user is present.
    fn tell_presence(&self, to: UserId, of: &User, present: bool) {
        let words = |topic: &Topic| topic.dialect.show_presence(of, present);
        self.pass_at(chat::Topic::Person(to), words, |_| true);
    }
}
