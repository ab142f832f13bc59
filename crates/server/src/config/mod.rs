//! The configuration: one table of settings, read from a TOML file, then the environment, then flags.
//!
//! [`table`] lists every setting with its meaning, default and range; everything else (reading,
//! the example file, the documentation, the words of an error) follows from it. [`parts`] turns
//! the settings into what the server's parts ask for. Must not know the command line.

mod parts;
mod read;
mod setting;
mod table;

pub use read::{Problem, Problems, Sources, load};
pub use setting::{LogFormat, LogLevel, Seconds};
pub use table::{
    Config, Dialects, Heartbeat, Identity, Limits, Log, Media, Metrics, Origins, Proxies, SETTINGS,
    Server, Sessions, Setting, Store, Tls,
};

/// The commented example: every setting with its default.
pub fn example() -> String {
    let defaults = Config::default();
    let mut text = String::from(
        "# Every setting of Palaver with its default. What is left out keeps its default.\n\
         # Each can be set by the environment, too: [limits] connections is\n\
         # PALAVER_LIMITS_CONNECTIONS (lists separated by commas); and by the flag\n\
         # --set limits.connections=500. A flag wins over the environment, that over the file.\n",
    );
    let mut section = "";
    for setting in SETTINGS {
        if setting.section != section {
            section = setting.section;
            text.push_str("\n#");
            text.push_str(setting.section_words);
            text.push_str("\n[");
            text.push_str(section);
            text.push_str("]\n");
        }
        for line in setting.words {
            text.push('#');
            text.push_str(line);
            text.push('\n');
        }
        text.push_str(setting.key);
        text.push_str(" = ");
        text.push_str(&(setting.show)(&defaults));
        text.push('\n');
    }
    text
}
