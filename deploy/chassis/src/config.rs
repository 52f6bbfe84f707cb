//! Layered configuration: commented defaults in the binary, then a file, then `USHER__SECTION__KEY`
//! variables.
//!
//! A key that nobody reads and a value of the wrong type are errors that name the key and where it
//! came from: a misspelt limit that is silently ignored is found in the night it was meant for.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

pub use self::secret::{Secret, Url};

mod secret;

/// The prefix of variables; a double underscore goes one level down.
const ENV_PREFIX: &str = "USHER__";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("read configuration {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("parse configuration {}", path.display())]
    Syntax { path: PathBuf, source: toml::de::Error },
    #[error("use configuration key `{key}` from {origin}: no such key")]
    UnknownKey { key: String, origin: String },
    #[error("use configuration key `{key}` from {origin}: {why}")]
    BadValue { key: String, origin: String, why: String },
    /// Each value is acceptable alone, but not all of them together.
    #[error("use the configuration: {why}")]
    Contradiction { why: String },
}

/// One leaf that a layer sets.
struct Setting {
    path: Vec<String>,
    value: Value,
    origin: String,
}

/// Reads the configuration from all layers; a later one wins key by key, arrays as a whole.
///
/// `T` must serialize every field that it deserializes under the same name, because that is how
/// unknown keys are told from known ones: no one-sided renames, no `skip_serializing`.
pub fn load<T: DeserializeOwned + Serialize>(
    defaults_toml: &str,
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
) -> Result<T, Error> {
    let defaults: Table = defaults_toml.parse().expect("the defaults are tested with the binary");
    let mut settings = Vec::new();
    if let Some(path) = file {
        read_file(path, &mut settings)?;
    }
    read_env(&defaults, env, &mut settings)?;

    let mut merged = defaults.clone();
    for setting in &settings {
        set(&mut merged, &setting.path, setting.value.clone());
    }
    let config: T = match merged.try_into() {
        Ok(config) => config,
        Err(err) => return Err(blame::<T>(&defaults, &settings, &err)),
    };
    let understood = Table::try_from(&config).expect("a configuration is a table");
    let unknown = settings.iter().find(|setting| !contains(&understood, &setting.path));
    match unknown {
        Some(Setting { path, origin, .. }) => {
            Err(Error::UnknownKey { key: path.join("."), origin: origin.clone() })
        }
        None => Ok(config),
    }
}

/// Shows a configuration as TOML, without its secrets and the passwords inside of its URLs.
pub fn print_masked(value: &impl Serialize) -> String {
    let mut value = Value::try_from(value).expect("a configuration is a table");
    mask(&mut value);
    toml::to_string_pretty(&value).expect("a table of TOML values is TOML")
}

fn mask(value: &mut Value) {
    match value {
        Value::String(text) => *text = secret::mask_urls(text),
        Value::Array(values) => values.iter_mut().for_each(mask),
        Value::Table(table) => table.iter_mut().for_each(|(_, value)| mask(value)),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
    }
}

fn read_file(path: &Path, settings: &mut Vec<Setting>) -> Result<(), Error> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let table: Table =
        text.parse().map_err(|source| Error::Syntax { path: path.to_owned(), source })?;
    flatten(Value::Table(table), &mut Vec::new(), &path.display().to_string(), settings);
    Ok(())
}

/// Splits a table into its leaves. An empty table is a leaf too, so that an unknown empty section
/// is seen.
fn flatten(value: Value, at: &mut Vec<String>, origin: &str, settings: &mut Vec<Setting>) {
    match value {
        Value::Table(table) if !table.is_empty() => {
            for (key, value) in table {
                at.push(key);
                flatten(value, at, origin, settings);
                at.pop();
            }
        }
        // An empty file sets nothing.
        _ if at.is_empty() => {}
        value => settings.push(Setting { path: at.clone(), value, origin: origin.to_owned() }),
    }
}

fn read_env(
    defaults: &Table,
    env: impl Iterator<Item = (String, String)>,
    settings: &mut Vec<Setting>,
) -> Result<(), Error> {
    // Sorted, because the environment has no order and the blame should not depend on chance.
    let mut variables: Vec<_> = env.filter(|(name, _)| name.starts_with(ENV_PREFIX)).collect();
    variables.sort();
    for (name, text) in variables {
        let below = name[ENV_PREFIX.len()..].to_ascii_lowercase();
        let path: Vec<String> = below.split("__").map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err(Error::UnknownKey { key: path.join("."), origin: name });
        }
        let value = parse_env(find(defaults, &path), text);
        settings.push(Setting { path, value, origin: name });
    }
    Ok(())
}

/// Reads a variable as a TOML scalar or array, else as a plain string.
///
/// Where the default is a string, only a quoted value is parsed: a password may consist of digits.
fn parse_env(default: Option<&Value>, text: String) -> Value {
    if default.is_some_and(Value::is_str) && !text.starts_with(['"', '\'']) {
        return Value::String(text);
    }
    match format!("value = {text}").parse::<Table>() {
        // More than one key: the text had lines of its own, so it was no value.
        Ok(mut table) if table.len() == 1 => match table.remove("value") {
            Some(Value::Table(_) | Value::Datetime(_)) | None => Value::String(text),
            Some(value) => value,
        },
        _ => Value::String(text),
    }
}

/// Finds the setting that makes the defaults unacceptable when it alone is added to them.
fn blame<T: DeserializeOwned>(
    defaults: &Table,
    settings: &[Setting],
    err: &toml::de::Error,
) -> Error {
    if let Err(err) = defaults.clone().try_into::<T>() {
        return Error::Contradiction { why: format!("the built-in defaults: {}", err.message()) };
    }
    for Setting { path, value, origin } in settings {
        let mut alone = defaults.clone();
        set(&mut alone, path, value.clone());
        if let Err(err) = alone.try_into::<T>() {
            let why = err.message().trim().to_owned();
            let (key, origin) = (path.join("."), origin.clone());
            if why.starts_with("unknown field") {
                return Error::UnknownKey { key, origin };
            }
            return Error::BadValue { key, origin, why };
        }
    }
    Error::Contradiction { why: err.message().trim().to_owned() }
}

fn set(table: &mut Table, path: &[String], value: Value) {
    let (last, above) = path.split_last().expect("a setting has a key");
    let mut table = table;
    for key in above {
        let entry = table.entry(key.clone()).or_insert_with(|| Value::Table(Table::new()));
        // A scalar in the place of a section gives way; if the section was wrong, the types say so.
        if !entry.is_table() {
            *entry = Value::Table(Table::new());
        }
        table = entry.as_table_mut().expect("made one just above");
    }
    table.insert(last.clone(), value);
}

fn find<'a>(table: &'a Table, path: &[String]) -> Option<&'a Value> {
    let (first, below) = path.split_first()?;
    let mut value = table.get(first)?;
    for key in below {
        value = value.as_table()?.get(key)?;
    }
    Some(value)
}

fn contains(table: &Table, path: &[String]) -> bool {
    find(table, path).is_some()
}

#[cfg(test)]
mod tests;
