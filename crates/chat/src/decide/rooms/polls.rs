//! What is asked in a room.

use super::RoomDraft;
use crate::{
    command::{Reply, UserRef},
    decide::Draft,
    facts::Halt,
    model::{ConversationView, Timestamp},
    refusal::Refusal,
    room::{Poll, PollOption, RoomNews},
    store::Change,
};

impl<'a> Draft<'a> {
    pub(super) fn open_poll(&mut self, scene: &mut RoomDraft<'_>, poll: Poll) -> Result<(), Halt> {
        let earlier = scene.room.poll.replace(poll.clone());
        if earlier.is_some_and(|earlier| self.now < earlier.ends_at()) {
            return Err(Refusal::PollIsOpen.into());
        }
        self.forget_votes(scene);
        self.tell(scene, RoomNews::Poll(poll));
        Ok(())
    }

    pub(super) fn end_poll(&mut self, scene: &mut RoomDraft<'_>) {
        self.forget_votes(scene);
        self.tell(scene, RoomNews::PollGone);
    }

    fn forget_votes(&mut self, scene: &RoomDraft<'_>) {
        let id = scene.view.conversation.id;
        self.changes.push(Change::VotesForgotten(id));
    }

    pub(super) fn vote(
        &mut self,
        view: &'a ConversationView,
        option: u32,
        voter: &UserRef,
    ) -> Result<Reply, Halt> {
        self.check_readable(view)?;
        self.check_acts_as(voter)?;
        let mut scene = RoomDraft::new(view, None);
        let now = self.now;
        let poll = scene.room.poll.as_mut();
        let poll = poll.filter(|poll| now < poll.ends_at());
        let poll = poll.ok_or(Refusal::NoPoll)?;
        let place = option.checked_sub(1).and_then(|at| at.try_into().ok());
        let chosen = place.and_then(|at: usize| poll.options.get_mut(at));
        let chosen = chosen.ok_or(Refusal::Invalid {
            field: "id",
            must: "must be that of an option of the poll",
        })?;
        chosen.votes += 1;
        let is_told = now.0 >= poll.told_at.0 + Poll::PACE;
        poll.untold = !is_told;
        if is_told {
            poll.told_at = now;
        }
        let poll = poll.clone();
        let id = view.conversation.id;
        let (voter, is_new) = self.speaker(voter)?;
        self.check_not_banned(view, &voter)?;
        if !is_new && self.facts.vote(id, voter.id)?.is_some() {
            return Err(Refusal::AlreadyVoted.into());
        }
        self.changes.push(Change::Voted {
            conversation: id,
            user: voter.id,
            option,
        });
        if is_told {
            self.tell(&mut scene, RoomNews::Poll(poll));
        }
        Ok(self.answered(scene))
    }
}

pub(super) fn new_poll(
    title: &str,
    options: &[String],
    seconds: u32,
    display_seconds: u32,
    now: Timestamp,
) -> Poll {
    let option = |label: &String| PollOption {
        label: label.clone(),
        votes: 0,
    };
    Poll {
        title: title.to_owned(),
        options: options.iter().map(option).collect(),
        seconds,
        display_seconds,
        opened_at: now,
        ended: false,
        told_at: now,
        untold: false,
    }
}
