//! A small tree of a parsed document. Pages are written so that an XML parser reads them: what is
//! not well-formed does not pass, neither in the pages nor in the feed.

use quick_xml::Reader;
use quick_xml::events::Event;

#[derive(Debug, Default)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) children: Vec<Node>,
}

#[derive(Debug)]
pub(crate) enum Node {
    Element(Element),
    Text(String),
}

impl Element {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn has_class(&self, class: &str) -> bool {
        self.attribute("class")
            .is_some_and(|classes| classes.split(' ').any(|known| known == class))
    }

    pub(crate) fn elements(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// All elements below that `wanted` wants, in the order of the document.
    pub(crate) fn all<'e>(&'e self, wanted: &dyn Fn(&Self) -> bool, found: &mut Vec<&'e Self>) {
        for element in self.elements() {
            if wanted(element) {
                found.push(element);
            }
            element.all(wanted, found);
        }
    }

    pub(crate) fn named(&self, name: &str) -> Vec<&Self> {
        let mut found = Vec::new();
        self.all(&|element| element.name == name, &mut found);
        found
    }

    pub(crate) fn classed(&self, class: &str) -> Vec<&Self> {
        let mut found = Vec::new();
        self.all(&|element| element.has_class(class), &mut found);
        found
    }

    /// The text of this element and all below, white space as one blank.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        self.collect(&mut text);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn collect(&self, text: &mut String) {
        for node in &self.children {
            match node {
                Node::Text(part) => text.push_str(part),
                Node::Element(element) => element.collect(text),
            }
        }
    }
}

/// Reads a document to the end; panics with the place where it is not well-formed.
pub(crate) fn parse(document: &str) -> Element {
    let mut reader = Reader::from_str(document);
    reader.config_mut().enable_all_checks(true);
    reader.config_mut().allow_dangling_amp = false;
    let mut open = vec![Element::default()];
    loop {
        let place = reader.buffer_position();
        match reader.read_event() {
            Err(error) => panic!("not well-formed at {place}: {error}"),
            Ok(Event::Eof) => break,
            Ok(Event::Start(start)) => open.push(element(&start)),
            Ok(Event::Empty(start)) => {
                let element = element(&start);
                open.last_mut()
                    .expect("open")
                    .children
                    .push(Node::Element(element));
            }
            Ok(Event::End(_)) => {
                let done = open.pop().expect("open");
                open.last_mut()
                    .expect("open")
                    .children
                    .push(Node::Element(done));
            }
            Ok(Event::Text(text)) => {
                let text = (*text).to_owned();
                open.last_mut()
                    .expect("open")
                    .children
                    .push(Node::Text(text));
            }
            Ok(Event::GeneralRef(reference)) => {
                let character = reference
                    .resolve_char_ref()
                    .expect("a character reference")
                    .unwrap_or_else(|| panic!("unknown entity {reference:?}"));
                let text = character.to_string();
                open.last_mut()
                    .expect("open")
                    .children
                    .push(Node::Text(text));
            }
            Ok(_) => {}
        }
    }
    assert_eq!(open.len(), 1, "everything is closed");
    open.pop().expect("the document")
}

fn element(start: &quick_xml::events::BytesStart<'_>) -> Element {
    let attributes = start.attributes().map(|attribute| {
        let attribute = attribute.expect("a well-formed attribute");
        let name = attribute.key.as_ref().to_owned();
        let value = attribute.value.into_owned();
        (
            name,
            quick_xml::escape::unescape(&value)
                .expect("escaped")
                .into_owned(),
        )
    });
    Element {
        name: start.name().as_ref().to_owned(),
        attributes: attributes.collect(),
        children: Vec::new(),
    }
}
