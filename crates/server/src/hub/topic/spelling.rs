//! What listeners call a conversation, where that stands in what they are shown. Those who call it
//! the same share their frames; so that nobody can have it rendered without end, a topic has a few
//! names at once, and whoever comes with a further one is shown its own.

use std::{
    ops::Deref,
    sync::{Arc, Weak},
};

/// Names that listeners may have for a topic at once, beside its own.
pub(crate) const SPELLINGS: usize = 4;

/// What some listeners of a topic call it. There is one for as long as any of them does.
#[derive(Debug)]
pub(crate) struct Spelling(Box<str>);

impl Deref for Spelling {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Those of one topic.
#[derive(Debug, Default)]
pub(super) struct Spellings(Vec<Weak<Spelling>>);

impl Spellings {
    /// The one of this name, which its listeners share. `None` without a name, or where there are
    /// too many: then the topic's own is shown.
    pub(super) fn share(&mut self, name: Option<&str>) -> Option<Arc<Spelling>> {
        let name = name?;
        let same = |known: &Weak<Spelling>| known.upgrade().filter(|known| &***known == name);
        if let Some(same) = self.0.iter().find_map(same) {
            return Some(same);
        }
        self.0.retain(|known| known.strong_count() > 0);
        if self.0.len() == SPELLINGS {
            return None;
        }
        let spelling = Arc::new(Spelling(name.into()));
        self.0.push(Arc::downgrade(&spelling));
        Some(spelling)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn names_are_shared_few_and_make_room() {
        let mut spellings = Spellings::default();
        assert!(spellings.share(None).is_none());
        let mut shared: Vec<_> = ["a", "b", "c", "d"]
            .map(|name| spellings.share(Some(name)).unwrap())
            .into();
        assert!(Arc::ptr_eq(
            &shared[1],
            &spellings.share(Some("b")).unwrap()
        ));
        assert!(spellings.share(Some("e")).is_none(), "the fifth");
        assert!(spellings.share(Some("d")).is_some(), "is known");
        shared.remove(0);
        let fifth = spellings.share(Some("e")).unwrap();
        assert_eq!(&**fifth, "e");
        assert!(spellings.share(Some("a")).is_none(), "its place is taken");
        assert_eq!(spellings.0.len(), SPELLINGS);
    }
}
