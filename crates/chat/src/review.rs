//! Words that are not taken, or looked at first, and what waits to be looked at. No rules about who may
//! do what: those are in `decide::reviews`.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use icu_normalizer::ComposingNormalizerBorrowed;
use uuid::Uuid;

use crate::{
    model::{AppId, Body, Conversation, ConversationId, MessageView, Timestamp, User},
    refusal::Refusal,
    room::Badge,
};

/// What is done about a message with the words of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FilterAction {
    /// It waits until somebody has looked at it.
    Hold,
    /// It is refused.
    Block,
}

/// Words that are looked for in messages.
///
/// A word is found as a whole, however it is written: case does not count, nor what Unicode calls
/// compatible (NFKC), nor characters that nobody sees, nor how much space is between several words.
/// With a `*` at its end it is found as the beginning of a word, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Outside id.
    pub id: Uuid,
    /// Whose.
    pub app: AppId,
    /// As they came.
    pub words: String,
    /// What is done about them.
    pub action: FilterAction,
    /// Only there; else in all groups, rooms and chats about products, never between two people in
    /// private.
    pub room: Option<Arc<Conversation>>,
}

impl Filter {
    /// The longest words, in bytes.
    pub const MAX_BYTES: usize = 100;
    /// The most filters of an app.
    pub const MAX: usize = 1_000;

    /// Refuses words that cannot be looked for.
    pub fn check_words(words: &str) -> Result<(), Refusal> {
        let invalid = |must| Refusal::Invalid {
            field: "words",
            must,
        };
        if words.len() > Self::MAX_BYTES {
            return Err(invalid("must have at most 100 bytes"));
        }
        if Pattern::new(words).folded.is_empty() {
            return Err(invalid("must have something to look for"));
        }
        Ok(())
    }
}

/// What is looked for.
struct Pattern {
    folded: String,
    /// More of a word may follow.
    is_prefix: bool,
}

impl Pattern {
    fn new(words: &str) -> Self {
        let trimmed = words.trim();
        let stem = trimmed.strip_suffix('*');
        Self {
            folded: folded(stem.unwrap_or(trimmed)),
            is_prefix: stem.is_some(),
        }
    }

    /// Whether what was found stands in the text as a word of its own.
    fn stands(&self, before: &str, after: &str) -> bool {
        let is_word = |char: Option<char>| char.is_some_and(char::is_alphanumeric);
        let begins = is_word(self.folded.chars().next());
        let ends = is_word(self.folded.chars().next_back());
        let is_inside = begins && is_word(before.chars().next_back());
        let goes_on = ends && !self.is_prefix && is_word(after.chars().next());
        !is_inside && !goes_on
    }
}

/// A text as texts are compared.
fn folded(text: &str) -> String {
    // Soft hyphens, joiners and the like, which nobody sees.
    let is_seen = |char: &char| !matches!(char, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}');
    let seen: String = text.chars().filter(is_seen).collect();
    let normal: Cow<'_, str> = ComposingNormalizerBorrowed::new_nfkc().normalize(&seen);
    let lower = normal.to_lowercase();
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The filters of an app, ready to be looked for.
#[derive(Default)]
pub struct Filters {
    all: Vec<Arc<Filter>>,
    /// Made when a text comes.
    finder: OnceLock<Finder>,
}

struct Finder {
    patterns: Vec<Pattern>,
    /// `None` if it cannot be made, which no number of filters that is allowed leads to.
    automaton: Option<AhoCorasick>,
}

impl Filters {
    /// Of an app.
    pub fn new(all: Vec<Arc<Filter>>) -> Self {
        Self {
            all,
            finder: OnceLock::new(),
        }
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether one of this id is among them.
    pub fn has(&self, id: Uuid) -> bool {
        self.all.iter().any(|filter| filter.id == id)
    }

    pub(crate) fn add(&mut self, filter: Arc<Filter>) {
        self.all.push(filter);
        self.finder = OnceLock::new();
    }

    pub(crate) fn remove(&mut self, id: Uuid) {
        self.all.retain(|filter| filter.id != id);
        self.finder = OnceLock::new();
    }

    /// The severest that is to be done about a text that is written in a conversation, if anything is.
    pub fn action(&self, conversation: ConversationId, text: &str) -> Option<FilterAction> {
        if self.all.is_empty() {
            return None;
        }
        let finder = self.finder.get_or_init(|| Finder::new(&self.all));
        let automaton = finder.automaton.as_ref()?;
        let text = folded(text);
        let mut severest = None;
        for found in automaton.find_overlapping_iter(&text) {
            let at = found.pattern().as_usize();
            let (Some(filter), Some(pattern)) = (self.all.get(at), finder.patterns.get(at)) else {
                continue;
            };
            let is_new = severest < Some(filter.action);
            let room = filter.room.as_ref();
            let is_here = room.is_none_or(|room| room.id == conversation);
            let (before, after) = (text.get(..found.start()), text.get(found.end()..));
            if is_new
                && is_here
                && pattern.stands(before.unwrap_or_default(), after.unwrap_or_default())
            {
                severest = Some(filter.action);
            }
            if severest == Some(FilterAction::Block) {
                break;
            }
        }
        severest
    }
}

impl Finder {
    fn new(filters: &[Arc<Filter>]) -> Self {
        let patterns: Vec<_> = filters.iter().map(|one| Pattern::new(&one.words)).collect();
        let automaton = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .match_kind(MatchKind::Standard)
            .build(patterns.iter().map(|pattern| &pattern.folded));
        Self {
            patterns,
            automaton: automaton.ok(),
        }
    }
}

/// What an app may let wait to be looked at; beyond that what would be held is refused.
pub const MAX_REVIEWS: u64 = 10_000;
/// Reports of one message that are kept.
pub const MAX_REPORTS: usize = 100;
/// The longest reason of a report, in bytes.
pub const MAX_REASON: usize = 500;

/// A message that waits until somebody has looked at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// Outside id.
    pub id: Uuid,
    /// Where it was written, or was to be.
    pub conversation: Arc<Conversation>,
    /// Who wrote it.
    pub sender: Arc<User>,
    /// Since when it waits.
    pub at: Timestamp,
    /// Why.
    pub matter: Matter,
}

/// Why a message waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matter {
    /// It has words that are looked at first, and nobody was shown it.
    Held {
        /// What it says.
        body: Body,
        /// What stands beside its sender's name.
        badges: Vec<Badge>,
        /// Under which id its client sends it again.
        client_id: Option<String>,
    },
    /// Somebody has reported it.
    Reported {
        /// As it is now.
        message: Arc<MessageView>,
        /// By whom, the earliest first; the first [`MAX_REPORTS`].
        reports: Vec<Report>,
    },
}

/// Somebody's word about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whose.
    pub by: Arc<User>,
    /// Why, in that one's words.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// What is to become of what was held or reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// What was held is sent, as if just now; what was reported stays.
    Approve,
    /// What was held is dropped; what was reported is deleted.
    Reject,
}
