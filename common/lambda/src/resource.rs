//! Resources that are created, listed, edited and deleted: one struct per resource, its body, gives the response, the
//! merge patch and the lists.

use std::borrow::Cow;
use std::fmt::{Debug, Display};
use std::marker::PhantomData;
use std::str::FromStr;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use deserr::{Deserr, IntoValue, ValueKind, ValuePointerRef};
use http::request::Parts;
use quittance_domain::error::Chain;
use quittance_domain::listing::{ListOrder, Listing};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::body::Faults;
use crate::body::values::Text;
use crate::change::Versioned;
use crate::etag::IfMatch;
use crate::openapi::struct_schema;
use crate::problem::Problem;
use crate::query::{Page, Query};

/// The beginnings of words: a text with a letter or a digit.
#[derive(Debug, Clone)]
struct Search(Text<1, 100>);

impl Deserr<Faults> for Search {
    fn deserialize_from_value<V: IntoValue>(
        value: deserr::Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, Faults> {
        let text = Text::deserialize_from_value(value, location)?;
        let has_word = text.as_str().contains(char::is_alphanumeric);
        if has_word { Ok(Self(text)) } else { Err(Faults::at(location, "must have a letter or a digit")) }
    }
}

impl PartialSchema for Search {
    fn schema() -> RefOr<Schema> {
        Text::<1, 100>::schema()
    }
}

impl ToSchema for Search {}

/// The body by which a resource is created; its members are those of the resource.
pub trait ResourceBody: Sized + Deserr<Faults> + Serialize + ToSchema {
    /// The resource as it is stored.
    type Record;
    /// The resource's id.
    type Id: Clone + Debug + Display + Serialize + ToSchema;
    /// The resource's names.
    const NAMES: ResourceNames;
    /// Members that a body may lack and a resource always has.
    const DEFAULTED: &'static [&'static str];

    /// The resource, as responses show it.
    fn resource(record: Self::Record) -> Resource<Self>;
}

/// The names of a kind of resource.
#[derive(Debug, Clone, Copy)]
pub struct ResourceNames {
    /// Its schema.
    pub schema: &'static str,
    /// One of it, in errors.
    pub one: &'static str,
    /// The member of a page that lists it.
    pub many: &'static str,
}

/// A resource, as responses show it.
#[derive(Debug, Clone, Serialize)]
pub struct Resource<T: ResourceBody> {
    pub id: T::Id,
    /// The members that its body has.
    #[serde(flatten)]
    pub body: T,
    /// When it was created, changed and deleted.
    #[serde(flatten)]
    pub history: History,
}

/// When a resource was created, changed and deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct History {
    /// Incremented with each change; also the `ETag`.
    pub version: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted; null if it is active.
    #[schema(required)]
    pub deleted_at: Option<DateTime<Utc>>,
}

/// What changes about a resource, as a merge patch (RFC 7396): members that are left out stay, null removes one.
#[derive(Debug, Clone)]
pub struct Patch<T> {
    members: Value,
    body: PhantomData<T>,
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Listed<T: ResourceBody> {
    /// The resources of the page.
    pub resources: Vec<Resource<T>>,
    /// The cursor of the next page; none on the last.
    pub next_cursor: Option<String>,
}

/// A request for a page of named resources: search, filters, order and page.
#[derive(Debug, Clone)]
pub struct ResourceQuery<F, C> {
    /// The filters that only this resource has.
    pub filters: F,
    /// What every list of resources takes.
    pub listing: Listing<C>,
    page: Page<C>,
}

/// The parameters that every list of named resources takes, besides [`PageParameters`](crate::query::PageParameters).
#[derive(Debug, Deserr, IntoParams)]
#[deserr(error = Faults, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListingParameters {
    /// Only resources with words that begin like each of these words: `nord ham` finds Nordlicht Hamburg.
    #[deserr(default)]
    #[param(nullable = false, inline)]
    q: Option<Search>,
    /// Active resources, deleted ones, or both.
    #[deserr(default)]
    #[param(inline, required = false)]
    status: Existence,
    /// The order: oldest first, newest first (`-created_at`), or by name.
    #[deserr(default)]
    #[param(inline, required = false)]
    sort: ListOrder,
}

impl<F: Deserr<Faults>, C: FromStr + Clone, S: Sync> FromRequestParts<S> for ResourceQuery<F, C> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let mut query = Query::read(parts)?;
        let listing = query.take::<ListingParameters>(&["q", "status", "sort"]);
        let page = query.page();
        let (filters, listing, page) = query.finish(|rest| Some((rest?, listing?, page?)))?;
        let ListingParameters { q, status, sort } = listing;
        let (search, is_deleted) = (q.map(|Search(text)| text.into()), status.is_deleted());
        let (after, limit) = (page.after.clone(), page.to_read());
        Ok(Self { filters, listing: Listing { search, is_deleted, order: sort, after, limit }, page })
    }
}

impl<F, C> ResourceQuery<F, C> {
    /// The page, from the resources read.
    pub fn page<T: ResourceBody>(&self, found: Vec<T::Record>) -> Listed<T> {
        let found = found.into_iter().map(T::resource).collect();
        let (resources, next_cursor) = self.page.cut(found, |resource: &Resource<T>| resource.id.to_string());
        Listed { resources, next_cursor }
    }
}

/// Active resources, deleted ones, or both.
#[derive(Debug, Clone, Copy, Default, Deserr, ToSchema)]
#[deserr(error = Faults, rename_all = lowercase)]
#[schema(rename_all = "lowercase", default = "active")]
pub enum Existence {
    /// Not deleted.
    #[default]
    Active,
    Deleted,
    All,
}

impl Existence {
    /// Whether to list deleted ones only, or active ones only; none for both.
    #[must_use]
    pub const fn is_deleted(self) -> Option<bool> {
        match self {
            Self::Active => Some(false),
            Self::Deleted => Some(true),
            Self::All => None,
        }
    }
}

impl<T: ResourceBody> Resource<T> {
    /// Whether a request may edit it.
    ///
    /// # Errors
    /// 409 if it is deleted, 412 if it has another version than the request names.
    pub fn check_editable(&self, if_match: &IfMatch) -> Result<(), Problem> {
        let name = format!("{} {}", T::NAMES.one, self.id);
        if self.history.deleted_at.is_some() {
            return Err(Problem::conflict(format!("{name} is deleted")));
        }
        if_match.check(&name, self.history.version)
    }

    /// The names of the members whose values differ in another state.
    ///
    /// # Errors
    /// [`serde_json::Error`] if a body cannot be serialised.
    pub fn changed(&self, other: &Self) -> Result<Vec<String>, serde_json::Error> {
        let [one, other] = [&self.body, &other.body].map(serde_json::to_value);
        let (one, other) = (one?, other?);
        let members = one.as_object().into_iter().flatten();
        let changed = members.filter(|(name, value)| other.get(name.as_str()) != Some(value));
        Ok(changed.map(|(name, _)| name.clone()).collect())
    }
}

impl<T: ResourceBody> IntoResponse for Resource<T> {
    fn into_response(self) -> Response {
        Versioned(self).into_response()
    }
}

impl<T: ResourceBody> Patch<T> {
    /// The body after the change.
    ///
    /// # Errors
    /// Every fault of the body after the change.
    pub fn apply(self, current: &T) -> Result<T, Faults> {
        let mut body = serde_json::to_value(current).map_err(|error| Faults::of("", Chain(&error)))?;
        merge(&mut body, self.members);
        deserr::deserialize(body)
    }
}

/// RFC 7396 §2.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(members) = target else { return };
    for (name, change) in patch {
        match change {
            Value::Null => {
                members.remove(&name);
            }
            change => merge(members.entry(name).or_insert(Value::Null), change),
        }
    }
}

impl<T> Deserr<Faults> for Patch<T> {
    fn deserialize_from_value<V: IntoValue>(
        value: deserr::Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, Faults> {
        match value {
            deserr::Value::Map(_) => Ok(Self { members: value.into(), body: PhantomData }),
            actual => Err(Faults::wrong_kind(actual, &[ValueKind::Map], location)),
        }
    }
}

impl<T: ResourceBody> PartialSchema for Resource<T> {
    fn schema() -> RefOr<Schema> {
        let (body, history) = (struct_schema::<T>(), struct_schema::<History>());
        let mut shown = ObjectBuilder::new().schema_type(Type::Object).description(body.description);
        shown = shown.property("id", Ref::from_schema_name(T::Id::name())).required("id");
        for (name, shape) in body.properties.into_iter().chain(history.properties) {
            let shape = if T::DEFAULTED.contains(&name.as_str()) { without_null(shape) } else { shape };
            shown = shown.property(&name, shape).required(name);
        }
        shown.into()
    }
}

/// The only alternative of a schema besides null.
fn without_null(shape: RefOr<Schema>) -> RefOr<Schema> {
    match shape {
        RefOr::T(Schema::OneOf(mut alternatives)) if alternatives.items.len() == 2 => {
            let is_null = |one: &RefOr<Schema>| matches!(one, RefOr::T(Schema::Object(object)) if object.schema_type == Type::Null.into());
            alternatives.items.retain(|one| !is_null(one));
            alternatives.items.pop().unwrap_or_else(|| Schema::OneOf(alternatives).into())
        }
        other => other,
    }
}

impl<T: ResourceBody> ToSchema for Resource<T> {
    fn name() -> Cow<'static, str> {
        T::NAMES.schema.into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        T::schemas(schemas);
    }
}

impl<T: ResourceBody> PartialSchema for Patch<T> {
    fn schema() -> RefOr<Schema> {
        let about = "What changes (RFC 7396): members that are left out stay as they are, null removes a member.";
        let mut patch = struct_schema::<T>();
        patch.required.clear();
        patch.description = Some(about.to_owned());
        patch.into()
    }
}

impl<T: ResourceBody> ToSchema for Patch<T> {
    fn name() -> Cow<'static, str> {
        format!("{}Patch", T::NAMES.schema).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        T::schemas(schemas);
    }
}

impl<T: ResourceBody> Serialize for Listed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut page = serializer.serialize_map(Some(2))?;
        page.serialize_entry(T::NAMES.many, &self.resources)?;
        page.serialize_entry("next_cursor", &self.next_cursor)?;
        page.end()
    }
}

impl<T: ResourceBody> IntoResponse for Listed<T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

impl<T: ResourceBody> PartialSchema for Listed<T> {
    fn schema() -> RefOr<Schema> {
        let resources = ArrayBuilder::new().items(Ref::from_schema_name(T::NAMES.schema));
        let cursor = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]));
        let cursor = cursor.description(Some("Cursor of the next page; null on the last."));
        let page = ObjectBuilder::new().schema_type(Type::Object).description(Some("A page of a list."));
        let page = page.property(T::NAMES.many, resources).required(T::NAMES.many);
        page.property("next_cursor", cursor).required("next_cursor").into()
    }
}

impl<T: ResourceBody> ToSchema for Listed<T> {
    fn name() -> Cow<'static, str> {
        format!("{}List", T::NAMES.schema).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::NAMES.schema.to_owned(), Resource::<T>::schema()));
        T::schemas(schemas);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_merge_patch_keeps_what_it_leaves_out_and_removes_what_is_null() {
        // The examples of RFC 7396, appendix A.
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut merged = target.clone();
            merge(&mut merged, patch.clone());
            assert_eq!(merged, result, "{target} and {patch}");
        }
    }
}
