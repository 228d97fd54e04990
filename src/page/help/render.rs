//! Markdown of the docs to HTML: headings have anchors, links lead to other pages of help, and HTML in the text stays text.

use pulldown_cmark::{CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, html};

use super::library::{self, Document, HELP};

/// The HTML of a document.
pub(super) fn html(document: Document) -> String {
    let mut page = Page {
        document,
        events: Vec::new(),
        anchors: anchors(document).into_iter(),
        links: Vec::new(),
    };
    for event in parser(document.text) {
        page.add(event);
    }
    let mut rendered = String::new();
    html::push_html(&mut rendered, page.events.into_iter());
    // A heading without text is not a heading for a screen reader.
    rendered.replace("<th></th>", "<td></td>")
}

fn parser(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::ENABLE_TABLES)
}

/// A document on its way to HTML.
struct Page {
    document: Document,
    events: Vec<Event<'static>>,
    anchors: std::vec::IntoIter<Anchor>,
    /// For each open link, whether it leads somewhere.
    links: Vec<bool>,
}

impl Page {
    fn add(&mut self, event: Event<'static>) {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                let id = self.anchors.next().map(|anchor| anchor.shown.into());
                self.events.push(Event::Start(Tag::Heading {
                    level,
                    id,
                    classes: Vec::new(),
                    attrs: Vec::new(),
                }));
            }
            // An alignment would become a `style`, which the policy of the page refuses. A wide table can be scrolled, also by
            // keys.
            Event::Start(Tag::Table(_)) => {
                self.write("<div class=\"wide\" tabindex=\"0\">");
                self.events.push(Event::Start(Tag::Table(Vec::new())));
            }
            Event::End(TagEnd::Table) => {
                self.events.push(Event::End(TagEnd::Table));
                self.write("</div>\n");
            }
            Event::Start(Tag::CodeBlock(_)) => self.write("<pre tabindex=\"0\"><code>"),
            Event::End(TagEnd::CodeBlock) => self.write("</code></pre>\n"),
            Event::Start(Tag::Link { dest_url, .. }) => self.link(&dest_url),
            Event::End(TagEnd::Link) => {
                if self.links.pop() == Some(true) {
                    self.events.push(Event::End(TagEnd::Link));
                }
            }
            // The pictures of a README are not in the program. What remains of one is its description.
            Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => {}
            Event::Html(text) | Event::InlineHtml(text) => self.events.push(Event::Text(text)),
            event => self.events.push(event),
        }
    }

    /// Opens a link. A link to what help does not have becomes text.
    fn link(&mut self, to: &str) {
        let address = address(self.document, to);
        self.links.push(address.is_some());
        self.events.extend(address.map(|address| {
            Event::Start(Tag::Link {
                link_type: LinkType::Inline,
                dest_url: address.into(),
                title: CowStr::Borrowed(""),
                id: CowStr::Borrowed(""),
            })
        }));
    }

    fn write(&mut self, html: &'static str) {
        self.events.push(Event::Html(CowStr::Borrowed(html)));
    }
}

/// An anchor of a heading.
struct Anchor {
    /// As in the repository: made of the words of the heading.
    own: String,
    /// As in the page. A translation has the anchors of its original, so a link works in every language.
    shown: String,
}

fn anchors(document: Document) -> Vec<Anchor> {
    let own = slugs(document.text);
    let shown = slugs(document.original().text);
    let all = own.into_iter().enumerate();
    all.map(|(at, own)| Anchor {
        shown: shown.get(at).unwrap_or(&own).clone(),
        own,
    })
    .collect()
}

/// The anchor of each heading, by the rule of GitHub.
fn slugs(text: &str) -> Vec<String> {
    let (mut slugs, mut plain) = (Vec::new(), Vec::new());
    let mut heading = None;
    for event in parser(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let slug = slug(&heading.take().unwrap_or_default());
                let same = plain.iter().filter(|plain| **plain == slug).count();
                slugs.push(match same {
                    0 => slug.clone(),
                    same => format!("{slug}-{same}"),
                });
                plain.push(slug);
            }
            Event::Text(part) | Event::Code(part) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&part);
                }
            }
            _ => {}
        }
    }
    slugs
}

fn slug(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.flat_map(char::to_lowercase)
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// The address of a link in this document. None for a file that help does not have.
fn address(from: Document, link: &str) -> Option<String> {
    if link.starts_with("https://") || link.starts_with("http://") {
        return Some(link.to_owned());
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    if path.is_empty() {
        return Some(fragment(from, anchor));
    }
    let path = joined(from.path, path);
    if let Some(to) = library::at_path(&path) {
        let language = language(from, to);
        return Some(format!(
            "{}{language}{}",
            to.address(),
            fragment(to, anchor)
        ));
    }
    let name = path.strip_prefix("docs/")?;
    library::file(name).map(|_| format!("{HELP}/files/{name}"))
}

/// The part of an address that names the language. Only a link from a document to its translation needs it.
fn language(from: Document, to: Document) -> String {
    if from == to || from.original() != to.original() {
        return String::new();
    }
    format!("?lang={}", to.language().tag())
}

/// The part of an address that names a heading of a document.
fn fragment(document: Document, anchor: &str) -> String {
    if anchor.is_empty() {
        return String::new();
    }
    let known = anchors(document)
        .into_iter()
        .find(|known| known.own == anchor);
    format!("#{}", known.map_or(anchor.to_owned(), |known| known.shown))
}

/// The path that a link names, from the root of the repository.
fn joined(from: &str, link: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "docs/providers/none.md";

    fn rendered(text: &'static str) -> String {
        html(Document { path: PATH, text })
    }

    #[test]
    fn html_in_a_document_stays_text() {
        let page =
            rendered("a <b>c</b>\n\n<script>alert(1)</script>\n\n[x](javascript:alert) `<i>`\n");
        assert!(
            !page.contains("<script") && !page.contains("<b>") && !page.contains("<i>"),
            "{page}"
        );
        assert!(!page.contains("href"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
    }

    #[test]
    fn a_link_leads_to_the_page_of_help() {
        for (link, address) in [
            ("../operations.md", "/help/operations"),
            ("../operations.md#quarantine", "/help/operations#quarantine"),
            ("README.md", "/help/providers"),
            ("../../README.md", "/help/readme"),
            (
                "../prometheus-rules.yml",
                "/help/files/prometheus-rules.yml",
            ),
            ("#x", "#x"),
            ("https://example.com/a.md", "https://example.com/a.md"),
        ] {
            let from = Document {
                path: PATH,
                text: "",
            };
            assert_eq!(
                super::address(from, link).as_deref(),
                Some(address),
                "{link}"
            );
        }
        let readme = library::at_path("README.md").unwrap();
        let chinese = super::address(readme, "README.zh-TW.md");
        assert_eq!(chinese.as_deref(), Some("/help/readme?lang=zh-Hant"));
    }

    #[test]
    fn anchors_are_those_of_github() {
        let text = "# A `b`: c, d_e\n\n## Two words\n\n## Two words\n\n## 隔離區 (x)\n";
        let slugs = slugs(text);
        assert_eq!(slugs, ["a-b-c-d_e", "two-words", "two-words-1", "隔離區-x"]);
    }

    #[test]
    fn a_table_has_no_style_and_can_be_scrolled_by_keys() {
        let page = rendered("|  | b |\n| --- | ---: |\n| 1 | 2 |\n");
        assert!(!page.contains("style"), "{page}");
        assert!(
            page.contains("<div class=\"wide\" tabindex=\"0\"><table>"),
            "{page}"
        );
        assert!(page.contains("<td></td><th>b</th>"), "{page}");
    }
}
