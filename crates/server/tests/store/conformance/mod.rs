//! The promises of `chat::Store`, one test each, for every engine. An engine joins with one line
//! at `suite!` below.

mod edits;
mod erasing;
mod groups;
mod histories;
mod ledger;
mod log;
mod messages;
mod products;
mod records;
mod reviews;
mod rooms;
mod ruling;
mod sessions;

use std::{path::Path, sync::Arc};

use chat::Store;
use server::stores::{Options, Sqlite};
use tempfile::TempDir;

use self::{
    edits::*, erasing::*, groups::*, histories::*, log::*, messages::*, products::*, records::*,
    reviews::*, rooms::*, sessions::*,
};
use crate::child;

/// A place where one store's data is. Opening it again, after the store before was dropped, finds
/// what that one committed.
pub(crate) trait Place {
    fn open(&self) -> Arc<dyn Store>;
    /// A further place like this one, with nothing in it.
    fn another(&self) -> Box<dyn Place>;
    /// Opens what [`Store::backup`] wrote.
    fn open_backup(&self, folder: &Path) -> Arc<dyn Store>;
}

struct Embedded(TempDir);

impl Place for Embedded {
    fn open(&self) -> Arc<dyn Store> {
        self.open_backup(&self.0.path().join("data"))
    }
    fn another(&self) -> Box<dyn Place> {
        Box::new(Self(TempDir::new().unwrap()))
    }
    fn open_backup(&self, folder: &Path) -> Arc<dyn Store> {
        Arc::new(Sqlite::open(folder, &Options::default()).unwrap())
    }
}

#[expect(clippy::unnecessary_wraps, reason = "other engines may not be there")]
fn embedded() -> Result<Box<dyn Place>, String> {
    Ok(Box::new(Embedded(TempDir::new().unwrap())))
}

/// Runs a promise on a fresh place. An engine that is not there is skipped aloud, and in CI fails.
fn run(engine: Result<Box<dyn Place>, String>, promise: fn(&dyn Place)) {
    match engine {
        Ok(place) => promise(&*place),
        Err(why) => skip(&why, std::env::var_os("CI").is_some()),
    }
}

fn skip(why: &str, in_ci: bool) {
    assert!(!in_ci, "CI must run every engine: {why}");
    child::say_aloud(&format!("SKIPPED: {why}"));
}

#[test]
#[should_panic(expected = "CI must run every engine")]
fn an_absent_engine_fails_in_ci() {
    skip("no such server", true);
}

macro_rules! suite {
    ($($engine:ident),*) => { $(mod $engine {
        suite!(@promises $engine:
            a_new_store_counts_from_nothing
            what_was_committed_is_found
            what_is_not_there_is_none
            apps_are_apart
            conversations_move_with_their_messages
            a_repeated_send_is_found
            counters_follow_the_batches
            everything_outlives_the_store
            a_batch_is_stored_whole_or_not_at_all
            an_empty_batch_is_stored
            history_pages_back_from_the_newest
            history_looks_at_one_moment
            texts_come_back_byte_for_byte
            starts_are_listed_oldest_first
            one_app_is_the_default
            keys_are_found_by_hash_and_by_app
            subscribing_again_is_no_fault
            ending_a_session_that_is_not_there_is_no_fault
            a_session_is_found_with_all_that_it_listens_to
            what_a_session_calls_its_topics_comes_back
            a_session_without_a_token_is_bound_to_nobody
            a_session_may_begin_with_all_that_it_listens_to
            a_session_follows_its_changes
            the_longest_forgotten_sessions_are_listed_first
            a_log_is_what_happened_in_any_range
            a_log_is_read_in_pages
            a_log_is_of_one_moment
            what_is_no_message_has_numbers_too
            where_nothing_happened_the_log_is_empty
            any_history_is_told_again_as_it_was_shown
            profiles_and_details_come_back_whole
            members_stand_in_the_order_of_joining
            a_person_is_told_from_the_joining_on
            a_deleted_user_leaves_nothing
            a_group_whose_owner_goes_has_an_heir
            a_deleted_conversation_leaves_nothing
            a_large_conversation_is_gone_at_once_and_erased_in_steps
            what_a_user_wrote_is_erased_in_steps
            erasing_goes_on_after_a_start
            a_batch_that_erases_is_stored_whole_or_not_at_all
            messages_change_and_go
            the_log_tells_of_edits_deletions_and_receipts
            a_message_is_seen_when_somebody_else_has_read_it
            conversations_are_listed_by_their_newest_message
            files_are_there_as_long_as_something_refers_to_them
            what_is_about_a_product_comes_back_whole
            a_block_is_there_until_it_is_taken_back
            what_was_missed_is_found_in_any_part
            a_hidden_conversation_is_listed_with_its_next_message
            contacts_are_those_with_whom_something_was_said
            the_newest_of_others_is_nobodys_own
            a_page_has_room_for_so_many_bytes
            all_files_of_a_message_go_with_it
            listening_ends_with_what_it_hangs_on
            a_session_keeps_what_its_listening_hangs_on
            readers_see_whole_batches
            a_room_comes_back_whole
            numbers_never_go_back
            people_are_found_by_what_they_are_called
            what_was_cleared_is_in_no_history
            bans_and_votes_are_there_until_they_are_taken_back
            what_is_due_in_rooms_is_found_by_its_time
            who_wrote_lately_is_found
            replies_and_badges_come_back_whole
            the_log_tells_what_happened_in_a_room
            whoever_wrote_in_a_room_leaves_nothing_there
            a_room_whose_owner_goes_is_for_a_moderator
            what_a_large_room_left_is_erased_in_steps
            filters_are_there_until_they_are_taken_back
            what_waits_comes_back_whole
            what_waits_goes_with_what_it_hangs_on
            it_says_that_it_is_well
            a_backup_is_one_moment_of_a_working_store
            a_backup_goes_into_an_empty_folder_only
        );
    })* };
    (@promises $engine:ident: $($promise:ident)*) => { $(
        #[test]
        fn $promise() {
            super::run(super::$engine(), super::$promise);
        }
    )* };
}
suite!(embedded);
