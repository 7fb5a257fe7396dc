//! JSON schemas for the API's description, built from the same limits that the functions parse by.

use serde_json::Value;
use utoipa::openapi::schema::{AnyOfBuilder, ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{KnownFormat, Ref, RefOr, SchemaFormat};

/// A schema, or a reference to one.
pub type Shape = RefOr<Schema>;

/// No control characters, as bodies refuse them.
const PRINTABLE: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";

/// The same, with at least one character that is not blank.
const NOT_BLANK: &str =
    r"^[^\u0000-\u001f\u007f-\u009f]*[^\u0000-\u001f\u007f-\u009f\s][^\u0000-\u001f\u007f-\u009f]*$";

/// Gives a schema a name in the document: a type for `#[utoipa::path]`. Named schemas that it refers to and that no
/// operation names itself are listed behind `holding`.
#[macro_export]
macro_rules! described {
    ($(#[$doc:meta])* $visibility:vis $name:ident => $shape:expr $(, holding [$($held:ty),+])?) => {
        $(#[$doc])*
        #[derive(Debug)]
        $visibility enum $name {}

        impl utoipa::PartialSchema for $name {
            fn schema() -> $crate::openapi::schema::Shape {
                $shape.into()
            }
        }

        impl utoipa::ToSchema for $name {
            fn schemas(schemas: &mut Vec<(String, $crate::openapi::schema::Shape)>) {
                $($(
                    let shape = <$held as utoipa::PartialSchema>::schema();
                    schemas.push((<$held as utoipa::ToSchema>::name().into_owned(), shape));
                )+)?
                let _all = schemas;
            }
        }
    };
}

/// A reference to a named schema.
#[must_use]
pub fn refer(name: &str) -> Shape {
    Ref::from_schema_name(name).into()
}

/// The same with its own description.
#[must_use]
pub fn refer_as(name: &str, description: &str) -> Shape {
    let mut named = Ref::from_schema_name(name);
    description.clone_into(&mut named.description);
    named.into()
}

/// Any text, for responses.
#[must_use]
pub fn words(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}

/// A text of so many characters, without control characters and, if it must have any, not only blanks: what
/// bodies accept.
#[must_use]
pub fn text(length_min: usize, length_max: usize, description: &str) -> ObjectBuilder {
    let pattern = if length_min == 0 { PRINTABLE } else { NOT_BLANK };
    words(description).min_length(Some(length_min)).max_length(Some(length_max)).pattern(Some(pattern))
}

/// A text that matches a pattern (ECMA-262, anchored).
#[must_use]
pub fn matching(pattern: impl Into<String>, description: &str) -> ObjectBuilder {
    words(description).pattern(Some(pattern))
}

/// One of the given names.
#[must_use]
pub fn one_of<'a>(names: impl IntoIterator<Item = &'a str>, description: &str) -> ObjectBuilder {
    words(description).enum_values(Some(names))
}

/// A whole number within bounds.
#[must_use]
pub fn count(least: u64, most: u64, description: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(least))
        .maximum(Some(most))
        .description(Some(description))
}

/// A whole number.
#[must_use]
pub fn number(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).description(Some(description))
}

/// A boolean.
#[must_use]
pub fn flag(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Boolean).description(Some(description))
}

/// A point in time, RFC 3339.
#[must_use]
pub fn time(description: &str) -> ObjectBuilder {
    words(description).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
}

/// A day, RFC 3339 `full-date`.
#[must_use]
pub fn day(description: &str) -> ObjectBuilder {
    words(description).format(Some(SchemaFormat::KnownFormat(KnownFormat::Date)))
}

#[must_use]
pub fn list_of(item: impl Into<Shape>, description: &str) -> ArrayBuilder {
    ArrayBuilder::new().items(item.into()).description(Some(description))
}

/// The schema, or null.
#[must_use]
pub fn or_null(shape: impl Into<Shape>) -> Shape {
    let null = |kind: SchemaType| match kind {
        SchemaType::Type(kind) => SchemaType::from_iter([kind, Type::Null]),
        other => other,
    };
    match shape.into() {
        RefOr::T(Schema::Object(mut object)) => {
            object.schema_type = null(object.schema_type);
            object.enum_values.iter_mut().for_each(|names| names.push(Value::Null));
            object.into()
        }
        RefOr::T(Schema::Array(mut array)) => {
            array.schema_type = null(array.schema_type);
            array.into()
        }
        named => AnyOfBuilder::new().item(named).item(ObjectBuilder::new().schema_type(Type::Null)).into(),
    }
}

/// The members of a JSON object.
pub struct Members(ObjectBuilder);

/// An object without members yet.
#[must_use]
pub fn object(description: &str) -> Members {
    Members(ObjectBuilder::new().schema_type(Type::Object).description(Some(description)))
}

impl Members {
    /// A member that is always present.
    #[must_use]
    pub fn with(self, name: &str, shape: impl Into<Shape>) -> Self {
        Self(self.0.property(name, shape).required(name))
    }

    /// A member that is always present, possibly as null.
    #[must_use]
    pub fn with_or_null(self, name: &str, shape: impl Into<Shape>) -> Self {
        self.with(name, or_null(shape))
    }

    /// A member that may be absent.
    #[must_use]
    pub fn perhaps(self, name: &str, shape: impl Into<Shape>) -> Self {
        Self(self.0.property(name, shape))
    }

    /// An object that may get more members in later versions, for responses and events.
    #[must_use]
    pub fn open(self) -> ObjectBuilder {
        self.0
    }

    /// A response, with an example of the whole body.
    #[must_use]
    pub fn open_like(self, example: Value) -> ObjectBuilder {
        self.open().examples([example])
    }
}
