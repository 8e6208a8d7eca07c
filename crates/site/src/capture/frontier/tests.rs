//! Order, and that no site is endless.

use proptest::prelude::*;

use super::*;

fn frontier() -> Frontier {
    Frontier::new(Limits {
        depth: 64,
        addresses: 20_000,
        exclude: vec!["/intern/".into()],
    })
}

fn at(target: &str) -> Address {
    Address::new("verein.test", target)
}

fn link(frontier: &mut Frontier, target: &str, parent: Option<&Task>) {
    frontier.offer(
        at(target),
        Origin::Link(Kind::Page),
        parent,
        Timestamp::default(),
    );
}

fn targets(frontier: &mut Frontier) -> Vec<String> {
    std::iter::from_fn(|| frontier.next())
        .map(|task| task.address.target.to_string())
        .collect()
}

#[test]
fn starts_come_first_then_the_never_captured_then_the_oldest_then_the_unlinked() {
    let mut frontier = frontier();
    let old = |millis| Timestamp::from_millis(millis);
    frontier.offer(at("/known"), Origin::Known, None, old(1));
    frontier.offer(at("/was-known"), Origin::Known, None, old(3));
    frontier.offer(at("/newer"), Origin::Link(Kind::Page), None, old(9));
    frontier.offer(at("/older"), Origin::Link(Kind::Page), None, old(5));
    frontier.offer(at("/never-1"), Origin::Sitemap, None, old(0));
    frontier.offer(at("/never-2"), Origin::Link(Kind::Requisite), None, old(0));
    frontier.offer(at("/"), Origin::Start, None, old(9));
    frontier.offer(at("/was-known"), Origin::Link(Kind::Page), None, old(3));
    frontier.offer(at("/never-1"), Origin::Link(Kind::Page), None, old(0));
    assert_eq!(
        targets(&mut frontier),
        [
            "/",
            "/never-1",
            "/never-2",
            "/was-known",
            "/older",
            "/newer",
            "/known"
        ]
    );
    assert!(frontier.is_linked(&at("/was-known")));
    assert!(!frontier.is_linked(&at("/known")));
}

#[test]
fn logins_nonces_replies_and_configured_prefixes_are_left_out() {
    for out in [
        "/wp-login.php",
        "/de/Login/",
        "/?replytocom=7",
        "/x?a=1&_wpnonce=abc",
        "/intern/x",
        "/wiki?title=X&action=edit",
        "/posting.php?mode=reply&t=1",
        "/events/?ical=1",
    ] {
        assert!(is_excluded(&at(out), &["/intern/".into()]), "{out}");
    }
    for page in [
        "/loginhilfe",
        "/?p=7",
        "/x?action=show",
        "/international/",
        "/admins",
    ] {
        assert!(!is_excluded(&at(page), &["/intern/".into()]), "{page}");
    }
}

/// Follows `links` from `/` until nothing is left, and says how many pages were asked for.
fn crawl(links: impl Fn(&str) -> Vec<String>) -> (usize, HashMap<Refusal, u64>) {
    let mut frontier = frontier();
    frontier.offer(at("/"), Origin::Start, None, Timestamp::default());
    let mut asked = 0;
    while let Some(task) = frontier.next() {
        asked += 1;
        for to in links(&task.address.target) {
            link(&mut frontier, &to, Some(&task));
        }
    }
    (asked, frontier.refused().clone())
}

#[test]
fn a_calendar_without_end_ends() {
    let (asked, refused) = crawl(|page| {
        let month: u64 = page
            .rsplit('/')
            .next()
            .and_then(|it| it.parse().ok())
            .unwrap_or(0);
        vec![format!("/kalender/{}", month + 1)]
    });
    assert!(asked < 100, "{asked}");
    assert!(refused.contains_key(&Refusal::Chain));
}

#[test]
fn a_path_that_repeats_itself_ends() {
    let (asked, refused) = crawl(|page| vec![format!("{page}a/"), format!("{page}b/")]);
    assert!(asked < 5_000, "{asked}");
    assert!(refused.contains_key(&Refusal::Repetition));
}

#[test]
fn permutations_of_filters_end() {
    let (asked, refused) = crawl(|page| {
        let query = page.split_once('?').map_or("", |(_, query)| query);
        (0..20)
            .map(|n| format!("/shop?{query}&f{n}=1"))
            .filter(|target| target.len() < 100)
            .collect()
    });
    assert!(asked <= 2_300, "{asked}");
    assert!(refused.contains_key(&Refusal::Pattern));
    let (asked, refused) = crawl(|page| {
        let n: u64 = page
            .rsplit('=')
            .next()
            .and_then(|it| it.parse().ok())
            .unwrap_or(0);
        (1..=9)
            .map(|digit| format!("/list?a=1&b=2&c={}", n * 10 + digit))
            .collect()
    });
    assert!(asked <= 2_001, "{asked}");
    assert!(refused.contains_key(&Refusal::Pattern));
}

#[test]
fn a_chain_of_ever_new_pages_ends_by_depth() {
    let (asked, refused) = crawl(|page| {
        let name: String = page
            .chars()
            .skip(1)
            .map(|c| if c == 'z' { 'a' } else { 'z' })
            .collect();
        vec![format!("/{name}q")]
    });
    assert!(asked <= 70, "{asked}");
    assert!(refused.contains_key(&Refusal::Depth));
}

#[test]
fn an_ordinary_large_site_is_taken_whole() {
    let (asked, refused) = crawl(|page| match page {
        "/" => (0..40).map(|n| format!("/liste?seite={n}")).collect(),
        list if list.starts_with("/liste") => {
            let n = list.rsplit('=').next().unwrap().to_owned();
            (0..50).map(|m| format!("/artikel/{n}-{m}")).collect()
        }
        _ => vec!["/".into(), "/impressum".into()],
    });
    assert_eq!(asked, 1 + 40 + 2_000 + 1);
    assert_eq!(refused, HashMap::new());
}

proptest! {
    #[test]
    fn nothing_is_given_out_twice(offers in proptest::collection::vec((0u8..30, 0u8..4), 0..100)) {
        let mut frontier = frontier();
        let mut given = std::collections::HashSet::new();
        for (name, origin) in offers {
            let origin = match origin {
                0 => Origin::Start,
                1 => Origin::Sitemap,
                2 => Origin::Known,
                _ => Origin::Link(Kind::Page),
            };
            frontier.offer(at(&format!("/{name}")), origin, None, Timestamp::default());
            if name % 3 == 0 && let Some(task) = frontier.next() {
                prop_assert!(given.insert(task.address));
            }
        }
        while let Some(task) = frontier.next() {
            prop_assert!(given.insert(task.address));
        }
        prop_assert_eq!(given.len(), frontier.known());
    }
}
