//! Objects in buckets.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{Aws, percent_encoded, xml_error};
use crate::wait;

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
}

impl Aws {
    /// Creates a bucket; an existing one is kept.
    ///
    /// # Errors
    /// When S3 refuses.
    pub fn s3_create_bucket(&self, bucket: &str) -> Result<()> {
        let body = format!(
            "<CreateBucketConfiguration><LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>",
            self.region
        );
        let answer = self.send("s3", "PUT", &format!("/{bucket}"), &[], body.as_bytes())?;
        let text = answer.text();
        if answer.status >= 300 && !text.contains("BucketAlreadyOwnedByYou") {
            bail!("could not create the bucket {bucket}: {}", xml_error(&text).unwrap_or(text));
        }
        Ok(())
    }

    /// Reads an object.
    ///
    /// # Errors
    /// When the key does not exist, or S3 refuses.
    pub fn s3_get(&self, bucket: &str, key: &str) -> Result<Vec<u8>> {
        let path = object_path(bucket, key);
        let answer = self.send("s3", "GET", &path, &[], &[])?;
        if answer.status >= 300 {
            let text = answer.text();
            bail!("could not read s3://{bucket}/{key}: {}", xml_error(&text).unwrap_or(text));
        }
        Ok(answer.body)
    }

    /// Writes an object.
    ///
    /// # Errors
    /// When S3 refuses.
    pub fn s3_put(&self, bucket: &str, key: &str, content_type: &str, body: &[u8]) -> Result<()> {
        let headers = [("content-type", content_type.to_owned())];
        let answer = self.send("s3", "PUT", &object_path(bucket, key), &headers, body)?;
        if answer.status >= 300 {
            let text = answer.text();
            bail!("could not write s3://{bucket}/{key}: {}", xml_error(&text).unwrap_or(text));
        }
        Ok(())
    }

    /// All objects whose key begins with `prefix`.
    ///
    /// # Errors
    /// When S3 refuses or does not respond with a listing.
    pub fn s3_list(&self, bucket: &str, prefix: &str) -> Result<Vec<Object>> {
        let mut objects = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut path = format!("/{bucket}?list-type=2&prefix={}", percent_encoded(prefix, false));
            if let Some(token) = &token {
                path.push_str("&continuation-token=");
                path.push_str(&percent_encoded(token, false));
            }
            let answer = self.send("s3", "GET", &path, &[], &[])?;
            let text = answer.text();
            if answer.status >= 300 {
                bail!("could not list s3://{bucket}/{prefix}: {}", xml_error(&text).unwrap_or(text));
            }
            let (page, next) =
                parse_listing(&text).with_context(|| format!("the listing of {bucket} cannot be parsed"))?;
            objects.extend(page);
            token = next;
            if token.is_none() {
                return Ok(objects);
            }
        }
    }

    /// Waits until an object exists and reads it.
    ///
    /// # Errors
    /// When it does not appear within `limit`, or S3 refuses for another reason.
    pub fn s3_wait_for(&self, bucket: &str, key: &str, limit: Duration) -> Result<Vec<u8>> {
        wait::until(&format!("s3://{bucket}/{key}"), limit, &[], || match self.s3_get(bucket, key) {
            Ok(body) => Ok(Some(body)),
            Err(error) if error.to_string().contains("NoSuchKey") => Ok(None),
            Err(error) => Err(error),
        })
    }
}

fn object_path(bucket: &str, key: &str) -> String {
    format!("/{bucket}/{}", percent_encoded(key, true))
}

fn parse_listing(text: &str) -> Result<(Vec<Object>, Option<String>)> {
    let document = roxmltree::Document::parse(text)?;
    let child = |node: roxmltree::Node<'_, '_>, name: &str| {
        node.children().find(|child| child.tag_name().name() == name).and_then(|child| child.text().map(str::to_owned))
    };
    let objects = document
        .descendants()
        .filter(|node| node.tag_name().name() == "Contents")
        .map(|node| {
            Ok(Object {
                key: child(node, "Key").context("an object without a key")?,
                size: child(node, "Size").context("an object without a size")?.parse()?,
            })
        })
        .collect::<Result<_>>()?;
    let next = child(document.root_element(), "NextContinuationToken");
    Ok((objects, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_read_with_its_continuation() {
        let text = "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
            <IsTruncated>true</IsTruncated><NextContinuationToken>abc=</NextContinuationToken>\
            <Contents><Key>a &amp; b/c.pdf</Key><Size>12</Size></Contents></ListBucketResult>";
        let (objects, next) = parse_listing(text).unwrap();
        assert_eq!(objects, [Object { key: "a & b/c.pdf".to_owned(), size: 12 }]);
        assert_eq!(next.as_deref(), Some("abc="));
    }

    #[test]
    fn a_key_keeps_its_slashes_and_nothing_else_unencoded() {
        assert_eq!(object_path("b", "a b/c+d.pdf"), "/b/a%20b/c%2Bd.pdf");
    }
}
