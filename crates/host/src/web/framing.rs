//! How a request's body is coded, and how large its head may be (RFC 9112 §6, RFC 6585 §5). Pure.
//!
//! hyper reads bodies by the last coding it finds. What stands before that one would reach the
//! primary as if it had been taken off, and another server may read it otherwise.

use http::request::Parts;
use http::{HeaderMap, Version, header};

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// 400: where its body ends can be read in two ways.
    Framing,
    /// 501: a coding that nobody here speaks.
    Coding,
    /// 431: too many header fields.
    Head,
}

/// Looks at a head: at most `most` fields, and at most the one coding that is known.
pub(super) fn checked(head: &Parts, most: usize) -> Result<(), Unfit> {
    if fields(&head.headers, head.version) > most {
        return Err(Unfit::Head);
    }
    coding(&head.headers)
}

/// RFC 9113 §8.2.3: HTTP/2 may split the cookies into many fields, which together are one.
fn fields(headers: &HeaderMap, version: Version) -> usize {
    let crumbs = match version {
        Version::HTTP_2 => headers.get_all(header::COOKIE).iter().count(),
        _ => 0,
    };
    headers.len() - crumbs.saturating_sub(1)
}

fn coding(headers: &HeaderMap) -> Result<(), Unfit> {
    let mut lines = headers.get_all(header::TRANSFER_ENCODING).iter().peekable();
    if lines.peek().is_none() {
        return Ok(());
    }
    // §6.3 item 3: whoever says both has most likely something in mind.
    if headers.contains_key(header::CONTENT_LENGTH) {
        return Err(Unfit::Framing);
    }
    let codings = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let codings = codings
        .map(<[u8]>::trim_ascii)
        .filter(|coding| !coding.is_empty());
    let mut chunked = false;
    for coding in codings {
        match coding.eq_ignore_ascii_case(b"chunked") {
            // §6.1: chunked is applied once, and last.
            true if chunked => return Err(Unfit::Framing),
            true => chunked = true,
            false if chunked => return Err(Unfit::Framing),
            // §6.1: what is not understood is answered with 501.
            false => return Err(Unfit::Coding),
        }
    }
    match chunked {
        true => Ok(()),
        // §6.3 item 4: without it the end cannot be known.
        false => Err(Unfit::Framing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(version: Version, fields: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().version(version);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_chunked_alone_and_once_is_a_coding_that_everybody_reads_alike() {
        let coded = |values: &[&str]| {
            let fields: Vec<_> = values.iter().map(|it| ("transfer-encoding", *it)).collect();
            checked(&head(Version::HTTP_11, &fields), 100)
        };
        for fit in [&["chunked"][..], &["Chunked"], &[" chunked , "], &[]] {
            assert_eq!(coded(fit), Ok(()), "{fit:?}");
        }
        for (unfit, why) in [
            (&["gzip, chunked"][..], Unfit::Coding),
            (&["gzip", "chunked"], Unfit::Coding),
            (&["identity, chunked"], Unfit::Coding),
            (&["xchunked"], Unfit::Coding),
            (&["chunked;a=b"], Unfit::Coding),
            (&["chunked, chunked"], Unfit::Framing),
            (&["chunked", "chunked"], Unfit::Framing),
            (&["chunked, gzip"], Unfit::Framing),
            (&["chunked, identity"], Unfit::Framing),
            (&[""], Unfit::Framing),
            (&[","], Unfit::Framing),
        ] {
            assert_eq!(coded(unfit), Err(why), "{unfit:?}");
        }
        let both = [("transfer-encoding", "chunked"), ("content-length", "5")];
        let both = checked(&head(Version::HTTP_11, &both), 100);
        assert_eq!(both, Err(Unfit::Framing));
    }

    #[test]
    fn both_versions_have_the_same_number_of_fields() {
        let some = |count: usize, name: &'static str| vec![(name, "x"); count];
        for version in [Version::HTTP_11, Version::HTTP_2] {
            assert_eq!(checked(&head(version, &some(100, "x-a")), 100), Ok(()));
            let many = checked(&head(version, &some(101, "x-a")), 100);
            assert_eq!(many, Err(Unfit::Head));
        }
        let crumbs = some(150, "cookie");
        assert_eq!(checked(&head(Version::HTTP_2, &crumbs), 100), Ok(()));
        let lines = checked(&head(Version::HTTP_11, &crumbs), 100);
        assert_eq!(lines, Err(Unfit::Head));
    }
}
