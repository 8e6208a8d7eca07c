//! What two organisations cannot both have, in every spelling and from every file.

use super::*;

#[test]
fn spellings_of_one_name_are_one() {
    for name in ["Verein.TEST", "verein.test.", " verein.test"] {
        assert_eq!(form(name), "verein.test");
    }
    assert_eq!(form("Bücher.test"), form("xn--bcher-kva.test"));
}

#[test]
fn a_name_lies_in_its_own_zone_and_in_those_above() {
    assert!(is_within("www.verein.test", "verein.test"));
    assert!(is_within("verein.test", "verein.test"));
    assert!(!is_within("meinverein.test", "verein.test"));
    assert!(!is_within("test", "verein.test"));
}
