//! Reads what clients write without guessing: an object is written as an object, with each field
//! named once.
//!
//! The derived readers of structs also take lists, field by field. A client that sends one by
//! mistake would have its values land wherever the fields happen to be declared.

use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Map, Number, Value};

/// A field's name is cut to this many characters when it is shown: it is there to be recognised.
const SHOWN_CHARS_MAX: usize = 40;

/// What was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    pub value: Value,
    /// The first field that an object names twice, cut to 40 characters.
    pub twice: Option<String>,
}

/// Parses a JSON text.
pub fn parse(text: &[u8]) -> Result<Written, Error> {
    let mut source = serde_json::Deserializer::from_slice(text);
    let written = parse_from(&mut source)?;
    source.end()?;
    Ok(written)
}

/// Takes one value from `source`. A field named twice is no reason to stop: the value's end is
/// found all the same.
pub fn parse_from<'de, D: Deserializer<'de>>(source: D) -> Result<Written, D::Error> {
    let mut twice = None;
    let value = Node { twice: &mut twice }.deserialize(source)?;
    Ok(Written { value, twice })
}

/// Makes a `T` of `value`, in which every struct is an object.
pub fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Error> {
    T::deserialize(Shaped(value))
}

struct Node<'a> {
    twice: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(flag.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut source: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = source.next_element_seed(Node { twice: &mut *self.twice })? {
            list.push(value);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut source: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = source.next_key::<String>()? {
            let value = source.next_value_seed(Node { twice: &mut *self.twice })?;
            if object.contains_key(&name) && self.twice.is_none() {
                *self.twice = Some(name.chars().take(SHOWN_CHARS_MAX).collect());
            }
            object.insert(name, value);
        }
        Ok(object.into())
    }
}

/// A value that is a struct only where it is an object, and a variant only where it is its name.
#[derive(Clone, Copy)]
struct Shaped<'de>(&'de Value);

impl<'de> IntoDeserializer<'de, Error> for Shaped<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Shaped<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(list) => {
                let mut source = SeqDeserializer::new(list.iter().map(Shaped));
                let value = visitor.visit_seq(&mut source)?;
                source.end()?;
                Ok(value)
            }
            Value::Object(object) => {
                let fields = object.iter().map(|(name, value)| (name.as_str(), Shaped(value)));
                let mut source = MapDeserializer::new(fields);
                let value = visitor.visit_map(&mut source)?;
                source.end()?;
                Ok(value)
            }
            scalar => scalar.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(_) => Err(Error::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(_) => Err(Error::invalid_type(Unexpected::Seq, &visitor)),
            Value::Object(_) => Err(Error::invalid_type(Unexpected::Map, &visitor)),
            scalar => scalar.deserialize_enum(name, variants, visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, read};
    use serde::Deserialize;
    use serde_json::{Value, json};

    #[derive(Debug, PartialEq, Deserialize)]
    struct Outer {
        name: String,
        inner: Option<Inner>,
        #[serde(default)]
        list: Vec<Inner>,
        pair: Option<(u8, u8)>,
        kind: Option<Kind>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        count: u32,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Open,
    }

    fn written(text: &str) -> Value {
        parse(text.as_bytes()).unwrap().value
    }

    #[test]
    fn a_text_becomes_the_value_that_it_shows() {
        let text = r#"{"a": [1, -2, 2.5, 18446744073709551615, "ä\n", true, null], "b": {}}"#;
        assert_eq!(written(text), serde_json::from_str::<Value>(text).unwrap());
        for broken in ["", "{", "{} {}", "[1,]", "nul", "{1: 2}", &"[".repeat(60_000)] {
            assert!(parse(broken.as_bytes()).is_err(), "{broken:.20}");
        }
    }

    #[test]
    fn a_field_named_twice_is_told_at_any_depth() {
        let twice = |text: &str| parse(text.as_bytes()).unwrap().twice;
        assert_eq!(twice(r#"{"a": 1, "a": 1}"#).as_deref(), Some("a"));
        assert_eq!(twice(r#"[{"b": {"a": 1, "\u0061": 2}}]"#).as_deref(), Some("a"));
        assert_eq!(twice(r#"{"a": {"a": 1}, "b": [{"a": 1}, {"a": 1}]}"#), None);
    }

    #[test]
    fn a_struct_is_an_object_and_nothing_else() {
        let good = json!({
            "name": "n", "inner": {"count": 1}, "list": [{"count": 2}], "pair": [3, 4],
            "kind": "open", "unknown": [1],
        });
        let wanted = Outer {
            name: "n".to_owned(),
            inner: Some(Inner { count: 1 }),
            list: vec![Inner { count: 2 }],
            pair: Some((3, 4)),
            kind: Some(Kind::Open),
        };
        assert_eq!(read::<Outer>(&good).unwrap(), wanted);
        for wrong in [
            json!(["n", {"count": 1}, [], [3, 4], "open"]),
            json!({"name": "n", "inner": [1]}),
            json!({"name": "n", "list": [[1]]}),
            json!({"name": "n", "list": {"0": {"count": 1}}}),
            json!({"name": "n", "pair": [3, 4, 5]}),
            json!({"name": "n", "kind": {"open": null}}),
            json!({"name": ["n"]}),
            json!("n"),
        ] {
            assert!(read::<Outer>(&wrong).is_err(), "{wrong}");
        }
    }
}
