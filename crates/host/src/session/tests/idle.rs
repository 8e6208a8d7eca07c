//! What a conversation holds while nothing comes, and that the cut of the bytes does not matter.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::session::exchange::{Exchange, Settled};

#[test]
fn an_idle_conversation_is_small() {
    let mut scene = scene();
    let (_guest, stream) = duplex(64);
    let driving = scene
        .driver
        .drive(&mut scene.session, &mut scene.world, plain(stream));
    let size = size_of_val(&driving);
    assert!(size < 2048, "{size} bytes of future");
}

#[test]
fn what_was_large_is_given_back() {
    let mut exchange = Exchange::<Toy>::default();
    let mut toy = Toy::default();
    let now = Now::default();
    let line = format!("ECHO {}\r\n", "x".repeat(900));
    for _ in 0..20 {
        exchange.inbound.extend_from_slice(line.as_bytes());
    }
    exchange.inbound.extend_from_slice(b"ECHO half");
    exchange.arrived();
    let settled = exchange.settle(&mut toy, now, usize::MAX, |_, _| None);
    assert_eq!(settled, Settled::Rests);
    assert!(exchange.out.bytes().len() > 8192);
    exchange.out.bytes().clear();
    exchange.rest();
    assert_eq!(&exchange.inbound[..], b"ECHO half");
    assert!(!exchange.out.bytes().try_reclaim(1024));
    assert!(
        !exchange.inbound.try_reclaim(1024),
        "{}",
        exchange.inbound.capacity()
    );
}

fn talk(bytes: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut exchange = Exchange::<Toy>::default();
    let mut toy = Toy::default();
    let now = Now::default();
    let mut rest = bytes;
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let cut = cuts
            .next()
            .copied()
            .unwrap_or(usize::MAX)
            .clamp(1, rest.len());
        let (piece, after) = rest.split_at(cut);
        exchange.inbound.extend_from_slice(piece);
        exchange.arrived();
        rest = after;
        let ask = |_, question| match question {
            toy::Question::Piece(_) => Some("taken".to_owned()),
            _ => Some("known".to_owned()),
        };
        while exchange.settle(&mut toy, now, usize::MAX, ask) == Settled::GoesOn {}
    }
    exchange.out.bytes().to_vec()
}

proptest! {
    #[test]
    fn every_cut_of_the_bytes_gives_the_same_words(
        lines in vec("(ECHO [a-z]{0,20}|ASK [a-z]|WAIT [a-z]|BODY 7\r\n[a-z\r\n]{7}|GIVE 2|\\PC{0,9}|QUIT)", 0..12),
        cuts in vec(1usize..9, 0..20),
    ) {
        let bytes = lines.join("\r\n") + "\r\n";
        prop_assert_eq!(talk(bytes.as_bytes(), &cuts), talk(bytes.as_bytes(), &[]));
    }
}
