//! What ends by itself in rooms: bans, pins, polls.

use super::RoomDraft;
use crate::{
    command::Reply,
    decide::Draft,
    facts::Halt,
    model::ConversationView,
    room::{Poll, RoomNews},
};

/// What ends in one step: about a millisecond of the writer's time.
const END_STEP: u32 = 100;

impl Draft<'_> {
    pub(in crate::decide) fn end_due(&mut self) -> Result<Reply, Halt> {
        let due = self.facts.due(self.now, END_STEP)?;
        for view in &due.rooms {
            // As it is after what this batch has changed.
            if let Some(view) = self.facts.conversation_now(view) {
                self.end_in_room(view);
            }
        }
        for (ban, user, view) in &due.bans {
            let Some(view) = self.facts.conversation_now(view) else {
                continue;
            };
            if self.facts.ban(ban.conversation, ban.user)? == Some(*ban) {
                let mut scene = RoomDraft::new(view, None);
                self.lift(&mut scene, self.facts.current(user), *ban);
            }
        }
        let step = END_STEP as usize;
        let more = due.rooms.len() >= step || due.bans.len() >= step;
        Ok(Reply::Forgotten { more })
    }

    fn end_in_room(&mut self, view: &ConversationView) {
        let now = self.now;
        let mut scene = RoomDraft::new(view, None);
        if scene.room.pin.take_if(|pin| pin.until <= now).is_some() {
            self.tell(&mut scene, RoomNews::Unpinned);
        }
        let gone = |poll: &mut Poll| poll.ended && poll.vanishes_at() <= now;
        if scene.room.poll.take_if(gone).is_some() {
            self.end_poll(&mut scene);
        }
        if let Some(poll) = &mut scene.room.poll
            && !poll.ended
        {
            poll.ended = poll.ends_at() <= now;
            if poll.ended || (poll.untold && poll.told_at.0 + Poll::PACE <= now.0) {
                (poll.told_at, poll.untold) = (now, false);
                let poll = poll.clone();
                self.tell(&mut scene, RoomNews::Poll(poll));
            }
        }
        self.done(scene);
    }
}
