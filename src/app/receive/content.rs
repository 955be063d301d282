//! Which message a request holds, by its headers.

use crate::wire::Version;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use http::header::CONTENT_TYPE;

const MEDIA_TYPE: &str = "application/x-protobuf";
const V1: &str = "prometheus.WriteRequest";
const V2: &str = "io.prometheus.write.v2.Request";

/// The version of the message, or why it is not known: 415.
///
/// # Errors
///
/// What to tell the sender.
pub(super) fn version_of(headers: &HeaderMap) -> Result<Version, String> {
    let content_type = match headers.get(CONTENT_TYPE) {
        None => "",
        Some(value) => value.to_str().map_err(|_| "Content-Type is no text".to_owned())?,
    };
    let version = message(content_type)?;
    let encoding = headers.get(CONTENT_ENCODING).map_or(Ok(""), |value| value.to_str());
    match encoding.map(str::trim) {
        Ok(encoding) if encoding.is_empty() || encoding.eq_ignore_ascii_case("snappy") => {
            Ok(version)
        }
        Ok(encoding) => Err(format!(
            "{encoding} encoding (compression) is not accepted by this server; only snappy is acceptable"
        )),
        Err(_) => Err("Content-Encoding is no text".to_owned()),
    }
}

/// A media type as RFC 9110 has it; nothing at all is 1.0, as for the reference receiver.
fn message(content_type: &str) -> Result<Version, String> {
    let mut parts = content_type.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    if media.is_empty() && content_type.trim().is_empty() {
        return Ok(Version::V1);
    }
    if !media.eq_ignore_ascii_case(MEDIA_TYPE) {
        return Err(format!(
            "expected {MEDIA_TYPE} as the first (media) part, got {content_type} content-type"
        ));
    }
    let mut version = Version::V1;
    for part in parts.filter(|part| !part.is_empty()) {
        let Some((name, value)) = part.split_once('=') else {
            return Err(format!(
                "expected parameters to be key-values, got {part} in {content_type} content-type"
            ));
        };
        if !name.trim_end().eq_ignore_ascii_case("proto") {
            continue;
        }
        let value = value.trim_start();
        let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        version = match unquoted.unwrap_or(value) {
            V1 => Version::V1,
            V2 => Version::V2,
            other => return Err(format!("unknown type for remote write protobuf message {other}")),
        };
    }
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_says_the_version() {
        let v2 = format!("application/x-protobuf;proto={V2}");
        for (content_type, version) in [
            ("", Some(Version::V1)),
            ("application/x-protobuf", Some(Version::V1)),
            ("Application/X-Protobuf; charset=utf-8", Some(Version::V1)),
            ("application/x-protobuf;proto=prometheus.WriteRequest", Some(Version::V1)),
            (&v2, Some(Version::V2)),
            (&v2.replace(';', " ; "), Some(Version::V2)),
            (&v2.replace("proto=", "Proto="), Some(Version::V2)),
            (&format!("application/x-protobuf; charset=x; proto=\"{V2}\""), Some(Version::V2)),
            ("application/x-protobuf;proto=prometheus.Other", None),
            ("application/x-protobuf;proto", None),
            ("application/json", None),
            (";proto=prometheus.WriteRequest", None),
            ("image/png", None),
        ] {
            assert_eq!(message(content_type).ok(), version, "{content_type}");
        }
    }

    #[test]
    fn the_encoding_is_snappy() {
        for (encoding, is_good) in
            [(None, true), (Some("snappy"), true), (Some("gzip"), false), (Some("deflate"), false)]
        {
            let mut headers = HeaderMap::new();
            if let Some(encoding) = encoding {
                headers.insert(CONTENT_ENCODING, encoding.parse().unwrap());
            }
            assert_eq!(version_of(&headers).is_ok(), is_good, "{encoding:?}");
        }
    }
}
