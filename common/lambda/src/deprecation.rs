//! Operations that are going to be removed: `Deprecation` (RFC 9745) and `Sunset` (RFC 8594), as `docs/versioning.md`
//! promises.

use axum::middleware::map_response;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use http::header::LINK;
use http::{HeaderName, HeaderValue};
use utoipa::openapi::Deprecated;
use utoipa_axum::router::UtoipaMethodRouter;

use crate::openapi::operation;

/// RFC 9745: since when an operation is deprecated.
pub const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
/// RFC 8594: when an operation will be removed.
pub const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// The deprecation of an operation. Days begin at midnight UTC.
#[derive(Debug, Clone, Copy)]
pub struct Deprecation {
    /// The first day on which it is deprecated.
    pub since: NaiveDate,
    /// The day on which it is removed, at least 12 months later.
    pub sunset: NaiveDate,
    /// Where the replacement is described.
    pub successor: &'static str,
}

/// A route that is deprecated: the description says so, and so do the headers of each response. It surrounds
/// [`requires`](crate::permit::requires), so that refusals have them as well.
pub fn deprecated<S>(deprecation: Deprecation, routes: UtoipaMethodRouter<S>) -> UtoipaMethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let (schemas, paths, router) = operation::refine(routes, |operation| operation.deprecated = Some(Deprecated::True));
    (
        schemas,
        paths,
        router.layer(map_response(move |response: Response| async move { announce(deprecation, response) })),
    )
}

fn announce(deprecation: Deprecation, mut response: Response) -> Response {
    let Deprecation { since, sunset, successor } = deprecation;
    let midnight = |day: NaiveDate| DateTime::<Utc>::from_naive_utc_and_offset(day.into(), Utc);
    let announced = [
        // RFC 9651 §3.3.7: a date is the seconds since 1970 after an at sign.
        (DEPRECATION, format!("@{}", midnight(since).timestamp())),
        (SUNSET, midnight(sunset).format("%a, %d %b %Y %H:%M:%S GMT").to_string()),
        (LINK, format!("<{successor}>; rel=\"successor-version\"")),
    ];
    for (name, value) in announced {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;
    use tower::ServiceExt;
    use utoipa_axum::router::OpenApiRouter;
    use utoipa_axum::routes;

    use super::*;
    use crate::caller::Permission;
    use crate::permit::requires;

    #[utoipa::path(get, path = "/v1/old", responses((status = 200, description = "Nothing.")))]
    async fn old() {}

    #[tokio::test]
    async fn a_deprecated_operation_announces_its_end_in_the_forms_of_the_rfcs() {
        let day = |year, month| NaiveDate::from_ymd_opt(year, month, 1).unwrap();
        let deprecation = Deprecation { since: day(2026, 12), sunset: day(2028, 1), successor: "/docs" };
        let route = deprecated(deprecation, requires(&[Permission::Read], routes!(old)));
        let (router, document) = OpenApiRouter::<()>::new().routes(route).split_for_parts();
        let described = serde_json::to_value(document).unwrap();
        assert_eq!(described["paths"]["/v1/old"]["get"]["deprecated"], true);
        let request = Request::builder().uri("/v1/old").body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), 403, "a refusal announces it as well");
        let header = |name: HeaderName| response.headers().get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!(header(DEPRECATION), "@1796083200");
        assert_eq!(header(SUNSET), "Sat, 01 Jan 2028 00:00:00 GMT");
        assert_eq!(header(LINK), "</docs>; rel=\"successor-version\"");
    }
}
