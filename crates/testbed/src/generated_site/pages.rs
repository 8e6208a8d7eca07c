//! The pages, pictures and lists of a generated site.

use std::fmt::Write as _;

use anyhow::Result;

use super::{
    ARTICLES, BIG, Chance, HIDDEN, IMAGES, Known, LEAVES, OLD, SECTIONS, TOPICS, WIDTHS, Writer,
};

const WORDS: &[&str] = &[
    "Verein",
    "Straße",
    "Rathaus",
    "Mitglieder",
    "Übung",
    "Sommer",
    "Vorstand",
    "Fest",
    "Wasser",
    "Brücke",
    "Abend",
    "Kinder",
    "Garten",
    "Bücherei",
    "Feuerwehr",
    "Chor",
    "und",
    "oder",
    "mit",
    "für",
    "gegen",
    "ohne",
    "heute",
    "morgen",
    "gemeinsam",
    "öffnet",
    "schließt",
    "beginnt",
];

/// Pages that everything else can link to.
fn menu() -> String {
    let mut menu =
        String::from("<nav><a href=\"/\">Start</a> <a href=\"/kontakt.html\">Kontakt</a>");
    for section in 0..SECTIONS {
        let _ = write!(
            menu,
            " <a href=\"/bereich/{section}/\">Bereich {section}</a>"
        );
    }
    menu + "</nav>"
}

fn sentences(chance: &mut Chance, count: usize) -> String {
    let mut text = String::new();
    for _ in 0..count {
        text.push_str("<p>");
        for _ in 0..12 + chance.below(20) {
            let word = WORDS
                .get(chance.below(WORDS.len()))
                .copied()
                .unwrap_or("Verein");
            let _ = write!(text, "{word} ");
        }
        text.push_str(".</p>\n");
    }
    text
}

fn page(title: &str, head: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"de\"><head>{head}<title>{title} – Verein Beispiel</title>\n\
         <link rel=\"stylesheet\" href=\"/stil/haus.css\">\n\
         <link rel=\"alternate\" type=\"application/atom+xml\" href=\"/feed.xml\"></head>\n\
         <body>{}<h1>{title}</h1>\n{body}</body></html>\n",
        menu()
    )
}

const UTF8: &str = "<meta charset=\"utf-8\">";

fn picture(number: usize) -> String {
    let number = number % IMAGES;
    let sources: Vec<String> = WIDTHS
        .iter()
        .map(|width| format!("/bild/{number}-{width}.svg {width}w"))
        .collect();
    let sources = sources.join(", ");
    format!(
        "<img src=\"/bild/{number}-320.svg\" srcset=\"{sources}\" sizes=\"50vw\" alt=\"Bild {number}\">\n"
    )
}

impl Writer<'_> {
    pub(super) fn articles(&mut self) -> Result<()> {
        for number in 0..ARTICLES {
            let mut chance = self.chance(1, number);
            let mut body = picture(chance.below(IMAGES));
            let length = 4 + chance.below(12);
            body += &sentences(&mut chance, length);
            for _ in 0..4 {
                let other = chance.below(ARTICLES);
                // Absolute, rooted and relative links, some with a fragment.
                let link = match chance.below(4) {
                    0 => format!("https://{}/artikel/{other}.html", self.host),
                    1 => format!("{other}.html#unten"),
                    2 => format!("../artikel/{other}.html"),
                    _ => format!("/artikel/{other}.html"),
                };
                let _ = writeln!(body, "<a href=\"{link}\">Artikel {other}</a>");
            }
            let text = page(&format!("Artikel {number}"), UTF8, &body);
            self.put(
                &format!("/artikel/{number}.html"),
                text.as_bytes(),
                Known::Page,
            )?;
        }
        Ok(())
    }

    pub(super) fn sections(&mut self) -> Result<()> {
        for section in 0..SECTIONS {
            let mut body = String::from("<ul>\n");
            for number in (section..ARTICLES).step_by(SECTIONS) {
                let _ = writeln!(
                    body,
                    "<li><a href=\"../../artikel/{number}.html\">Artikel {number}</a></li>"
                );
            }
            let text = page(&format!("Bereich {section}"), UTF8, &(body + "</ul>\n"));
            let (target, path) = (
                format!("/bereich/{section}/"),
                format!("/bereich/{section}/index.html"),
            );
            self.put_as(&target, &path, text.as_bytes(), Known::Page)?;
        }
        Ok(())
    }

    /// Pages that differ by their query only.
    pub(super) fn search(&mut self) -> Result<()> {
        for topic in 0..TOPICS {
            for leaf in 1..=LEAVES {
                let mut body = sentences(&mut self.chance(2, topic * 100 + leaf), 3);
                if leaf < LEAVES {
                    let next = leaf + 1;
                    let _ = writeln!(
                        body,
                        "<a href=\"?thema={topic}&amp;seite={next}\">weiter</a>"
                    );
                }
                let text = page(&format!("Thema {topic}, Seite {leaf}"), UTF8, &body);
                let target = format!("/suche?thema={topic}&seite={leaf}");
                self.put_as(
                    &target,
                    &format!("/_suche/{topic}-{leaf}.html"),
                    text.as_bytes(),
                    Known::Page,
                )?;
            }
        }
        Ok(())
    }

    pub(super) fn old_character_sets(&mut self) -> Result<()> {
        for number in 0..OLD {
            let body = sentences(&mut self.chance(3, number), 4);
            let link = format!("<a href=\"/presse/{number}.html\">Presse für Gäste</a>");
            // The dash of the title is not in ISO 8859-1.
            let text = page(&format!("Archiv für {number}"), "", &(body.clone() + &link))
                .replace('–', "-");
            self.put(
                &format!("/archiv/{number}.html"),
                &single_bytes(&text),
                Known::Page,
            )?;
            let head =
                "<meta http-equiv=\"Content-Type\" content=\"text/html; charset=windows-1252\">";
            let text = page(&format!("Presse „{number}“ für 5 €"), head, &body);
            self.put(
                &format!("/presse/{number}.html"),
                &single_bytes(&text),
                Known::Page,
            )?;
        }
        Ok(())
    }

    pub(super) fn style_and_images(&mut self) -> Result<()> {
        let css = "@charset \"utf-8\";\n@import url(\"basis.css\");\n@import 'druck.css' print;\n\
            @font-face { font-family: Haus; src: url(../schrift/haus.woff2) format(\"woff2\"), url('/schrift/haus.woff'); }\n\
            body { font-family: Haus, sans-serif; background: url( \"/bild/grund.svg\" ) }\n";
        self.put("/stil/haus.css", css.as_bytes(), Known::Page)?;
        let base = "nav a { color: #046 } h1::before { content: url(/bild/zeichen.svg) }\n";
        self.put("/stil/basis.css", base.as_bytes(), Known::Style)?;
        self.put("/stil/druck.css", b"nav { display: none }\n", Known::Style)?;
        for name in ["grund", "zeichen"] {
            self.put(
                &format!("/bild/{name}.svg"),
                drawing(name, 64).as_bytes(),
                Known::Style,
            )?;
        }
        for (name, mark) in [("haus.woff2", b"wOF2"), ("haus.woff", b"wOFF")] {
            let bytes = [&mark[..], &self.chance(4, name.len()).bytes(24_000)].concat();
            self.put(&format!("/schrift/{name}"), &bytes, Known::Style)?;
        }
        for number in 0..IMAGES {
            for width in WIDTHS {
                let text = drawing(&format!("Bild {number}"), width);
                self.put(
                    &format!("/bild/{number}-{width}.svg"),
                    text.as_bytes(),
                    Known::Page,
                )?;
            }
        }
        let photo = [
            &[0xFF, 0xD8, 0xFF, 0xE0][..],
            &self.chance(5, 0).bytes(180_000),
        ]
        .concat();
        self.put("/bild/foto.jpg", &photo, Known::Page)
    }

    pub(super) fn front(&mut self) -> Result<()> {
        let mut body = String::from("<img src=\"bild/foto.jpg\" alt=\"Foto\">\n");
        for link in [
            "heute",
            "formular",
            "uralt",
            "gibt-es-nicht.html",
            "zurueckgezogen.html",
            "bereich/3",
            "intern/plan.html",
            "datei/band.bin",
            "suche?thema=0&amp;seite=1",
        ] {
            let _ = writeln!(body, "<a href=\"/{link}\">{link}</a>");
        }
        for topic in 1..TOPICS {
            let _ = writeln!(
                body,
                "<a href=\"/suche?thema={topic}&amp;seite=1\">Thema {topic}</a>"
            );
        }
        for number in 0..OLD {
            let _ = writeln!(
                body,
                "<a href=\"/archiv/{number}.html\">Archiv {number}</a>"
            );
        }
        for number in 0..20 {
            let _ = writeln!(body, "<a href=\"/alt/{number}\">früher {number}</a>");
        }
        self.put_as(
            "/",
            "/index.html",
            page("Willkommen", UTF8, &body).as_bytes(),
            Known::Page,
        )?;
        let contact = page("Kontakt", UTF8, "<p>Verein Beispiel, Hauptstraße 1</p>\n");
        self.put("/kontakt.html", contact.as_bytes(), Known::Page)
    }

    pub(super) fn feed_and_sitemap(&mut self) -> Result<()> {
        let host = self.host;
        let mut feed = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n\
             <title>Verein Beispiel</title><id>https://{host}/</id><updated>2026-05-20T09:00:00Z</updated>\n"
        );
        let mut entry = |target: &str, number: usize| {
            let _ = writeln!(
                feed,
                "<entry><title>Meldung {number}</title><id>https://{host}{target}</id>\
                 <link href=\"https://{host}{target}\"/><updated>2026-05-{:02}T09:00:00Z</updated></entry>",
                1 + number % 20
            );
        };
        for number in 0..HIDDEN {
            entry(&format!("/artikel/{number}.html"), number);
            entry(&format!("/meldung/{number}.html"), number + HIDDEN);
        }
        feed.push_str("</feed>\n");
        self.put("/feed.xml", feed.as_bytes(), Known::Page)?;

        let xmlns = "xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\"";
        let parts = [("1", "artikel", ARTICLES), ("2", "verborgen", HIDDEN)];
        let mut index =
            format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<sitemapindex {xmlns}>\n");
        for (part, folder, count) in parts {
            let _ = writeln!(
                index,
                "<sitemap><loc>https://{host}/sitemap-{part}.xml</loc></sitemap>"
            );
            let mut text =
                format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<urlset {xmlns}>\n");
            for number in 0..count {
                let _ = writeln!(
                    text,
                    "<url><loc>https://{host}/{folder}/{number}.html</loc></url>"
                );
            }
            text.push_str("</urlset>\n");
            self.put(
                &format!("/sitemap-{part}.xml"),
                text.as_bytes(),
                Known::Page,
            )?;
        }
        index.push_str("</sitemapindex>\n");
        self.put("/sitemap.xml", index.as_bytes(), Known::Page)?;
        for (folder, known) in [("meldung", Known::Feed), ("verborgen", Known::Sitemap)] {
            for number in 0..HIDDEN {
                let body = sentences(&mut self.chance(6, number + folder.len() * 1000), 3);
                let text = page(&format!("Besonderes {number}"), UTF8, &body);
                self.put(&format!("/{folder}/{number}.html"), text.as_bytes(), known)?;
            }
        }
        Ok(())
    }

    pub(super) fn special(&mut self) -> Result<()> {
        let robots = format!(
            "User-agent: *\nDisallow: /intern/\nSitemap: https://{}/sitemap.xml\n",
            self.host
        );
        self.put("/robots.txt", robots.as_bytes(), Known::Page)?;
        let plan = page("Interner Plan", UTF8, "<p>nicht für Suchmaschinen</p>\n");
        self.put("/intern/plan.html", plan.as_bytes(), Known::Disallowed)?;
        let missing = page(
            "Nicht gefunden",
            UTF8,
            "<p>Diese Seite gibt es nicht.</p>\n",
        );
        // Asked for by its own name it is an ordinary page, though none links it.
        self.put("/fehler/404.html", missing.as_bytes(), Known::Page)?;
        self.urls.pop();
        let big = self.chance(7, 0).bytes(BIG);
        self.put("/datei/band.bin", &big, Known::Page)
    }
}

fn drawing(title: &str, width: usize) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{width}\">\
         <title>{title}</title><circle cx=\"50%\" cy=\"50%\" r=\"40%\" fill=\"#258\"/></svg>\n"
    )
}

/// ISO 8859-1 bytes, and windows-1252 where that has more (the few signs used here).
fn single_bytes(text: &str) -> Vec<u8> {
    let byte = |sign: char| match sign {
        '€' => 0x80,
        '„' => 0x84,
        '“' => 0x93,
        '–' => 0x96,
        other => u8::try_from(u32::from(other)).unwrap_or(b'?'),
    };
    text.chars().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::single_bytes;

    #[test]
    fn old_character_sets_take_one_byte_a_sign() {
        assert_eq!(single_bytes("für 5 €"), b"f\xFCr 5 \x80");
    }
}
