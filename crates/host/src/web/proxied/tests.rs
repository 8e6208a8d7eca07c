//! The PROXY protocol and X-Forwarded-For, byte by byte.

use http::HeaderValue;

use super::*;

fn guest(text: &str) -> Option<SocketAddr> {
    Some(text.parse().unwrap())
}

fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend([0x20 | command, family]);
    bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend(body);
    bytes
}

#[test]
fn version_1_names_the_guest() {
    let line = b"PROXY TCP4 203.0.113.9 192.0.2.7 56324 443\r\n";
    let mut bytes = line.to_vec();
    bytes.extend(b"GET / HTTP/1.1\r\n");
    let expected = Opening::Header {
        length: line.len(),
        guest: guest("203.0.113.9:56324"),
    };
    assert_eq!(opening(&bytes), expected);
    let line = b"PROXY TCP6 2001:db8::9 2001:db8::7 56324 443\r\n";
    let expected = Opening::Header {
        length: line.len(),
        guest: guest("[2001:db8::9]:56324"),
    };
    assert_eq!(opening(line), expected);
    let line = b"PROXY UNKNOWN whatever\r\n";
    let expected = Opening::Header {
        length: line.len(),
        guest: None,
    };
    assert_eq!(opening(line), expected);
}

#[test]
fn every_beginning_of_a_good_header_asks_for_more() {
    let v1 = b"PROXY TCP4 203.0.113.9 192.0.2.7 56324 443\r\n".to_vec();
    let v2 = v2(1, 0x11, &[203, 0, 113, 9, 192, 0, 2, 7, 0xdc, 4, 1, 0xbb]);
    for whole in [v1, v2] {
        for length in 0..whole.len() {
            assert_eq!(opening(&whole[..length]), Opening::Partial, "{length}");
        }
        assert!(matches!(
            opening(&whole),
            Opening::Header { guest: Some(_), .. }
        ));
    }
}

#[test]
fn version_2_names_the_guest_and_skips_extensions() {
    let mut body = vec![203, 0, 113, 9, 192, 0, 2, 7, 0xdc, 4, 1, 0xbb];
    body.extend([0x04, 0, 2, 0, 0]);
    let bytes = v2(1, 0x11, &body);
    let expected = Opening::Header {
        length: bytes.len(),
        guest: guest("203.0.113.9:56324"),
    };
    assert_eq!(opening(&bytes), expected);
    let local = v2(0, 0, &[]);
    let expected = Opening::Header {
        length: 16,
        guest: None,
    };
    assert_eq!(opening(&local), expected);
}

#[test]
fn forged_and_broken_headers_are_none() {
    let endless = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat();
    let huge = {
        let mut bytes = v2(1, 0x11, &[0; 12]);
        bytes[14] = 0xff;
        bytes
    };
    for bytes in [
        b"GET / HTTP/1.1\r\n".as_slice(),
        b"PROXY TCP4 203.0.113.9 192.0.2.7 56324\r\n",
        b"PROXY TCP4 2001:db8::9 192.0.2.7 1 2\r\n",
        b"PROXY TCP4 203.0.113.9 192.0.2.7 1 2 3\r\n",
        b"PROXY TCP4 203.0.113.9 192.0.2.7 99999 443\r\n",
        b"PROXY UDP4 203.0.113.9 192.0.2.7 1 2\r\n",
        &endless,
        &huge,
        &v2(1, 0x11, &[1, 2, 3]),
        &v2(1, 0x12, &[0; 12]),
        &v2(7, 0x11, &[0; 12]),
    ] {
        assert_eq!(opening(bytes), Opening::Malformed, "{bytes:?}");
    }
}

#[test]
fn x_forwarded_for_is_read_from_its_end() {
    let trusted = ["192.0.2.0/24".parse().unwrap()];
    let ask = |lines: &[&str]| {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", HeaderValue::from_str(line).unwrap());
        }
        forwarded_for(&headers, &trusted).map(|address| address.to_string())
    };
    assert_eq!(ask(&[]), None);
    assert_eq!(ask(&["203.0.113.9"]).as_deref(), Some("203.0.113.9"));
    assert_eq!(
        ask(&["1.2.3.4, 203.0.113.9, 192.0.2.8"]).as_deref(),
        Some("203.0.113.9")
    );
    assert_eq!(
        ask(&["1.2.3.4", "203.0.113.9:80, 192.0.2.8"]).as_deref(),
        Some("203.0.113.9")
    );
    assert_eq!(ask(&["[2001:db8::9]:80"]).as_deref(), Some("2001:db8::9"));
    assert_eq!(ask(&["192.0.2.9, 192.0.2.8"]).as_deref(), Some("192.0.2.9"));
    assert_eq!(
        ask(&["1.2.3.4, nonsense, 192.0.2.8"]).as_deref(),
        Some("192.0.2.8")
    );
    assert_eq!(ask(&["nonsense"]), None);
}

#[test]
fn the_last_word_about_https_counts() {
    let mut headers = HeaderMap::new();
    assert_eq!(forwarded_secure(&headers), None);
    headers.append("x-forwarded-proto", HeaderValue::from_static("http"));
    assert_eq!(forwarded_secure(&headers), Some(false));
    headers.append("x-forwarded-proto", HeaderValue::from_static("http, HTTPS"));
    assert_eq!(forwarded_secure(&headers), Some(true));
}
