//! The documents made of the tree: `docs/config.md` and `talkpath.example.toml`.

use super::{Config, Section};

/// Columns of the comments in the example file.
const COLUMNS_MAX: usize = 100;

const DOCUMENT_HEAD: &str = "\
# Configuration

This file is written from `src/config.rs` and checked by its tests; change the keys there.

`talkpath` reads one TOML file; every key has a default, so the file may be empty or missing.
`talkpath.example.toml` lists all keys with their defaults. A key that is not in this list is an
error, so that a misspelt one is found at once.

`--set key=value` overrides one key, after the file, and may be given several times. The key is the
dotted path of the tables below; the value is TOML, and quotes may be left out where that leaves no
doubt:

```sh
--set sip.calls_max=200
--set media.ports=30000-31000
--set 'sip.listen=[\"udp:127.0.0.1:5060\"]'
```

The unit of a number is the end of its name: `_s` seconds, `_ms` milliseconds, `_bytes_max` bytes;
`_max` alone counts things.
";

const EXAMPLE_HEAD: &str = "\
# Every key with its default, or with an example where the default is \"not set\".
# Take away the # in front of a key to set it. docs/config.md explains the rules of this file.
";

/// The text of `docs/config.md`.
pub fn document() -> String {
    let mut text = DOCUMENT_HEAD.to_owned();
    for Section {
        table,
        meaning,
        keys,
    } in Config::sections()
    {
        let heading = if table.is_empty() {
            "Top of the file".to_owned()
        } else {
            format!("[{table}]")
        };
        text += &format!("\n## {heading}\n\n{meaning}\n\n");
        text += "| key | default | allowed | meaning |\n|---|---|---|---|\n";
        for key in keys {
            let default = key
                .default
                .map_or("not set".to_owned(), |value| format!("`{value}`"));
            text += &format!(
                "| `{}` | {default} | {} | {} |\n",
                key.path, key.allowed, key.meaning
            );
        }
    }
    text
}

/// The text of `talkpath.example.toml`.
pub fn example() -> String {
    let mut text = EXAMPLE_HEAD.to_owned();
    for Section {
        table,
        meaning,
        keys,
    } in Config::sections()
    {
        text.push('\n');
        comment(&meaning, &mut text);
        if !table.is_empty() {
            text += &format!("[{table}]\n");
        }
        for key in keys {
            let name = key.path.rsplit('.').next().unwrap_or_default();
            text.push('\n');
            comment(&key.meaning, &mut text);
            comment(&format!("Allowed: {}.", key.allowed), &mut text);
            text += &format!("#{name} = {}\n", key.sample);
        }
    }
    text
}

/// Adds `sentence` as comment lines.
fn comment(sentence: &str, text: &mut String) {
    let mut line = String::from("#");
    for word in sentence.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > COLUMNS_MAX {
            *text += &format!("{line}\n");
            line = String::from("#");
        }
        line += &format!(" {word}");
    }
    *text += &format!("{line}\n");
}
