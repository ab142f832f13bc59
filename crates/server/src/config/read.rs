//! Reads the settings: the file, the environment over it, flags over those.
//!
//! Everything that is wrong is found in one go, each problem with its place and what to write
//! instead. A key that nobody knows is a problem too: it is a typing error, or meant for another
//! version, and would otherwise be silently without effect.

use std::{fmt, path::Path};

use toml::de::{DeTable, DeValue};

use super::{
    setting::Given,
    table::{Config, SETTINGS, Setting},
};

/// What begins the name of every environment variable that is a setting.
const ENVIRONMENT: &str = "PALAVER_";

/// Where settings come from, the later over the earlier.
#[derive(Clone, Debug, Default)]
pub struct Sources<'a> {
    /// The file, if there is one.
    pub file: Option<&'a Path>,
    /// Environment variables; others than `PALAVER_SECTION_KEY` are passed over.
    pub environment: Vec<(String, String)>,
    /// Flags: what to call each in messages, the setting as `section.key`, and the value.
    pub flags: Vec<(String, String, String)>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file and line, the environment variable, or the flag.
    pub place: String,
    /// What is wrong there, and what would be right.
    pub words: String,
}

/// Everything that is wrong; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { place, words }) in self.0.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{place}: {words}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Reads the settings.
///
/// # Errors
/// Everything that is wrong with them.
pub fn load(sources: &Sources<'_>) -> Result<Config, Problems> {
    let mut reader = Reader {
        config: Config::default(),
        problems: Vec::new(),
    };
    if let Some(file) = sources.file {
        reader.read_file(file);
    }
    for (name, value) in &sources.environment {
        reader.read_variable(name, value);
    }
    for (flag, name, value) in &sources.flags {
        reader.read_flag(flag, name, value);
    }
    // What contradicts each other can be said only where each value by itself is good.
    if reader.problems.is_empty() {
        let check = reader.config.check();
        reader
            .problems
            .extend(check.into_iter().map(|(setting, words)| Problem {
                place: place_of(setting, sources),
                words: format!("{setting} {words}"),
            }));
    }
    if reader.problems.is_empty() {
        Ok(reader.config)
    } else {
        Err(Problems(reader.problems))
    }
}

/// Where a setting was given, as well as that can be said afterwards.
fn place_of(setting: &str, sources: &Sources<'_>) -> String {
    if let Some((flag, ..)) = sources
        .flags
        .iter()
        .rev()
        .find(|(_, name, _)| name == setting)
    {
        return flag.clone();
    }
    let variable = format!(
        "{ENVIRONMENT}{}",
        setting.replace('.', "_").to_ascii_uppercase()
    );
    if sources
        .environment
        .iter()
        .any(|(name, _)| *name == variable)
    {
        return variable;
    }
    match sources.file {
        Some(file) => file.display().to_string(),
        None => "configuration".to_owned(),
    }
}

struct Reader {
    config: Config,
    problems: Vec<Problem>,
}

impl Reader {
    fn complain(&mut self, place: impl fmt::Display, words: String) {
        self.problems.push(Problem {
            place: place.to_string(),
            words,
        });
    }

    fn read_file(&mut self, file: &Path) {
        let shown = file.display();
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => return self.complain(shown, format!("cannot be read: {error}")),
        };
        let place = |at: usize| format!("{shown}:{}", line_at(&text, at));
        let table = match DeTable::parse(&text) {
            Ok(table) => table.into_inner(),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                return self.complain(place(at), error.message().to_owned());
            }
        };
        for (section, content) in &table {
            let at = section.span().start;
            let section = section.get_ref().as_ref();
            if !SETTINGS.iter().any(|setting| setting.section == section) {
                self.complain(place(at), unknown_section(section));
                continue;
            }
            let DeValue::Table(content) = content.get_ref() else {
                self.complain(
                    place(at),
                    format!("{section} must be a section: [{section}]"),
                );
                continue;
            };
            for (key, value) in content {
                let at = key.span().start;
                let key = key.get_ref().as_ref();
                match find(section, key) {
                    Some(setting) => {
                        let given = Given::Toml(value.get_ref());
                        self.set(setting, given, || place(at));
                    }
                    None => self.complain(place(at), unknown_key(section, key)),
                }
            }
        }
    }

    fn read_variable(&mut self, name: &str, value: &str) {
        let Some(path) = name.strip_prefix(ENVIRONMENT) else {
            return;
        };
        let path = path.to_ascii_lowercase();
        let known = |setting: &&Setting| path == format!("{}_{}", setting.section, setting.key);
        if let Some(setting) = SETTINGS.iter().find(known) {
            return self.set(setting, Given::Text(value), || name.to_owned());
        }
        // Other variables with our prefix may be somebody else's; one that names a section is not.
        let sections = SETTINGS.iter().map(|setting| setting.section);
        let split = |section| Some((section, path.strip_prefix(section)?.strip_prefix('_')?));
        if let Some((section, key)) = sections.into_iter().find_map(split) {
            self.complain(name, unknown_key(section, key));
        }
    }

    fn read_flag(&mut self, flag: &str, name: &str, value: &str) {
        let (section, key) = name.split_once('.').unwrap_or((name, ""));
        match find(section, key) {
            Some(setting) => self.set(setting, Given::Text(value), || flag.to_owned()),
            None if SETTINGS.iter().any(|setting| setting.section == section) => {
                self.complain(flag, unknown_key(section, key));
            }
            None => self.complain(flag, unknown_section(section)),
        }
    }

    fn set(&mut self, setting: &Setting, given: Given<'_>, place: impl FnOnce() -> String) {
        if (setting.set)(&mut self.config, given) {
            return;
        }
        let Setting {
            section,
            key,
            allowed,
            ..
        } = setting;
        let range = match (setting.range)() {
            Some((low, high)) => format!(" from {low} to {high}"),
            None => String::new(),
        };
        let words = format!(
            "{section}.{key} must be {allowed}{range}, not {}",
            given.shown()
        );
        self.complain(place(), words);
    }
}

fn find(section: &str, key: &str) -> Option<&'static Setting> {
    SETTINGS
        .iter()
        .find(|setting| setting.section == section && setting.key == key)
}

fn unknown_section(section: &str) -> String {
    let names = SETTINGS.iter().map(|setting| setting.section);
    match nearest(section, names) {
        Some(near) => format!("there is no section [{section}]; did you mean [{near}]?"),
        None => format!("there is no section [{section}]"),
    }
}

fn unknown_key(section: &str, key: &str) -> String {
    let words = format!("there is no setting {section}.{key}");
    if let Some(elsewhere) = SETTINGS.iter().find(|setting| setting.key == key) {
        return format!("{words}; {key} belongs to [{}]", elsewhere.section);
    }
    let here = SETTINGS.iter().filter(|setting| setting.section == section);
    let everywhere = SETTINGS
        .iter()
        .map(|setting| (setting.section, setting.key));
    if let Some(near) = nearest(key, here.map(|setting| setting.key)) {
        return format!("{words}; did you mean {section}.{near}?");
    }
    if let Some(near) = nearest(key, everywhere.clone().map(|(_, key)| key))
        && let Some((section, _)) = everywhere.into_iter().find(|(_, known)| *known == near)
    {
        return format!("{words}; did you mean {section}.{near}?");
    }
    words
}

/// The known name that is most like `name`, if any is much like it.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const ALIKE: f64 = 0.75;
    known
        .into_iter()
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

fn line_at(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}
