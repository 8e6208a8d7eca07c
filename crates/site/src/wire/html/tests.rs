//! Which links and words are found.

use proptest::prelude::*;

use super::*;
use crate::wire::Kind;

fn found(html: &str) -> Vec<String> {
    let mark = |kind| if kind == Kind::Page { "" } else { "*" };
    let document = read(html.as_bytes(), Some("utf-8"));
    let links = document.links.into_iter();
    links
        .map(|link| format!("{}{}", mark(link.kind), link.to))
        .collect()
}

#[test]
fn links_are_found() {
    for (html, expected) in [
        ("<a href=x.html>x</a>", vec!["x.html"]),
        ("<A HREF='x?a=1&amp;b=2'>", vec!["x?a=1&b=2"]),
        ("<a href='#here'><a href=''><a name=x>", vec![]),
        ("<area href=/map>", vec!["/map"]),
        (
            "<img src=a.png srcset='b.png 1x, c.png 2x'>",
            vec!["*a.png", "*b.png", "*c.png"],
        ),
        (
            "<img data-src=lazy.png data-srcset='l2.png 2x'>",
            vec!["*lazy.png", "*l2.png"],
        ),
        (
            "<picture><source srcset=a.webp><img src=a.jpg></picture>",
            vec!["*a.webp", "*a.jpg"],
        ),
        (
            "<video src=v.mp4 poster=p.jpg><track src=t.vtt></video>",
            vec!["*v.mp4", "*p.jpg", "*t.vtt"],
        ),
        ("<audio src=s.ogg></audio>", vec!["*s.ogg"]),
        (
            "<script src=s.js></script><script>var x='<a href=no>'</script>",
            vec!["*s.js"],
        ),
        (
            "<iframe src=f.html></iframe><embed src=e><object data=o></object>",
            vec!["*f.html", "*e", "*o"],
        ),
        (
            "<link rel='stylesheet preload' href=a.css><link rel=icon href=i.ico>",
            vec!["*a.css", "*i.ico"],
        ),
        (
            "<link rel=alternate hreflang=de href=/de/><link rel=next href=?p=2>",
            vec!["/de/", "?p=2"],
        ),
        (
            "<link rel=alternate type='application/json+oembed' href=/o><link rel=dns-prefetch href=//x>",
            vec![],
        ),
        (
            "<meta http-equiv=Refresh content=\"3; URL='/next'\">",
            vec!["/next"],
        ),
        (
            "<meta property='og:image' content='/og.png'>",
            vec!["*/og.png"],
        ),
        ("<div style=\"background:url('bg.png')\">", vec!["*bg.png"]),
        (
            "<style>@import 'a.css'; b{c:url(d.png)}</style>",
            vec!["*a.css", "*d.png"],
        ),
        (
            "<noscript><img src=n.png><a href=n.html>n</a></noscript>",
            vec!["*n.png", "n.html"],
        ),
        (
            "<form action=/search><input type=image src=go.png></form>",
            vec!["*go.png"],
        ),
        ("<body background=b.png>", vec!["*b.png"]),
        (
            "<svg><image xlink:href=v.svg /><use href='s.svg#i'/></svg>",
            vec!["*v.svg", "*s.svg#i"],
        ),
        ("<!-- <a href=no> --><a href=yes", vec![]),
        ("<a href=\"mailto:x@y\">m</a>", vec!["mailto:x@y"]),
    ] {
        assert_eq!(found(html), expected, "{html}");
    }
}

#[test]
fn the_base_and_the_words_are_read() {
    let html = "<title>Verein &amp; Co</title><base href=/sub/><base href=/no/>\
        <style>p{}</style><p>Gr&uuml;&szlig;e  <b>aus\n</b> Oslo</p><script>no()</script>";
    let document = read(html.as_bytes(), None);
    assert_eq!(document.base.as_deref(), Some("/sub/"));
    assert_eq!(document.text, "Verein & Co Grüße aus Oslo");
}

#[test]
fn the_charset_is_the_named_one_or_guessed() {
    assert_eq!(decode(b"gr\xfcn", Some("ISO-8859-1")), "grün");
    assert_eq!(
        decode(b"<meta charset=latin1>\xfc", None),
        "<meta charset=latin1>ü"
    );
    assert_eq!(decode("ü".as_bytes(), None), "ü");
    assert_eq!(decode(b"\xfc", None), "ü");
    assert_eq!(charset_of("text/html; Charset=\"UTF-8\""), Some("UTF-8"));
    assert_eq!(charset_of("text/html"), None);
}

#[test]
fn a_document_of_links_alone_is_bounded() {
    let html = "<a href=x>".repeat(MOST_LINKS + 500);
    assert_eq!(found(&html).len(), MOST_LINKS);
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes, None);
    }

    #[test]
    fn html_like_text_is_read(html in "[<>a-c/='\" &;hrefsrcstyle!-]{0,200}") {
        let document = read(html.as_bytes(), None);
        prop_assert!(document.links.iter().all(|link| !link.to.trim().is_empty()));
    }

    #[test]
    fn a_link_survives_its_surroundings(before in "[a-z <>/=\"]{0,20}", name in "[a-z0-9]{1,9}") {
        let html = format!("<p>{}</p><a href=\"/{name}\">x</a>", before.replace(['<', '>', '"'], ""));
        let expected = format!("/{name}");
        prop_assert!(found(&html).contains(&expected));
    }
}
