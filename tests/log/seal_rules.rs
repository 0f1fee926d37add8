//! The chain of hashes over the audit log, as pure functions: any single change is noticed (R51).

use packwright::domain::id::AccountId;
use packwright::domain::log::{Broken, Canonical, Chain, Hash, Link, SEAL_MAX, Seal, Verification, Verified};
use proptest::prelude::*;
use proptest::sample::Index;
use uuid::Uuid;

const PUBLISHER: AccountId = AccountId(Uuid::from_u128(7));

fn link(position: i64, content: &[u8]) -> Link {
    let occurred_at = chrono::DateTime::from_timestamp(1_800_000_000 + position, 0);
    Link { position, publisher_id: PUBLISHER, occurred_at, content: Canonical::new("test").bytes(Some(content)).hash() }
}

/// A log with gaps between its positions, sealed in stretches of these lengths. What is left over isn't sealed.
#[derive(Clone, Debug)]
struct Log {
    links: Vec<Link>,
    seals: Vec<Seal>,
    chain: Chain,
}

fn sealed(contents: &[Vec<u8>], stretches: &[usize]) -> Log {
    let links: Vec<_> = contents.iter().zip(1..).map(|(content, n)| link(n * 3, content)).collect();
    let (mut chain, mut seals, mut left, mut salt) = (Chain::empty(PUBLISHER), Vec::new(), &links[..], 0);
    for stretch in stretches {
        let (now, later) = left.split_at((*stretch).min(left.len()));
        seals.extend(chain.seal(now, || {
            salt += 1;
            Uuid::from_u128(salt)
        }));
        left = later;
    }
    Log { links, seals, chain }
}

fn verify(log: &Log, sent: &[(i64, Hash)]) -> Verified {
    let mut check = Verification::new(log.chain, log.chain.end.position, sent.to_vec());
    // Two seals at a time, as a reader of many pages would.
    let page = |after: i64| log.seals.iter().filter(|seal| seal.number > after).take(2).cloned().collect::<Vec<_>>();
    for link in &log.links {
        if let Some(after) = check.wants_seals_after() {
            check.add_seals(page(after));
        }
        check.add_entry(*link);
    }
    if let Some(after) = check.wants_seals_after() {
        check.add_seals(page(after));
    }
    check.end()
}

fn logs() -> impl Strategy<Value = Log> {
    let contents = prop::collection::vec(prop::collection::vec(any::<u8>(), 1..12), 1..200);
    (contents, prop::collection::vec(1_usize..90, 1..6)).prop_map(|(contents, stretches)| sealed(&contents, &stretches))
}

/// The number of entries under seals.
fn under_seals(log: &Log) -> usize {
    usize::try_from(log.seals.iter().map(|seal| seal.entries).sum::<i64>()).unwrap()
}

fn flipped(hash: Hash, bit: usize) -> Hash {
    let mut bytes = hash.bytes();
    bytes[bit / 8 % 32] ^= 1 << (bit % 8);
    Hash::read(&bytes).unwrap()
}

proptest! {
    #[test]
    fn r51_a_log_that_nobody_touched_holds(log in logs()) {
        let verified = verify(&log, &[]);
        prop_assert_eq!(verified.broken, None);
        prop_assert_eq!(usize::try_from(verified.entries).unwrap(), under_seals(&log));
        prop_assert_eq!(usize::try_from(verified.unsealed).unwrap(), log.links.len() - under_seals(&log));
        prop_assert!(log.seals.iter().all(|seal| seal.entries <= i64::try_from(SEAL_MAX).unwrap()));
    }

    #[test]
    fn r51_any_single_byte_of_a_sealed_entry_counts(contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..12), 1..150), entry: Index, byte: Index, bit in 0_u32..8) {
        let log = sealed(&contents, &[40, 200]);
        let (mut changed, at) = (contents.clone(), entry.index(contents.len()));
        let byte = byte.index(changed[at].len());
        changed[at][byte] ^= 1 << bit;
        let links = changed.iter().zip(1..).map(|(content, n)| link(n * 3, content)).collect();
        let position = log.links[at].position;
        match verify(&Log { links, ..log }, &[]).broken {
            Some(Broken::Entries { first_position, last_position, .. }) => prop_assert!((first_position..=last_position).contains(&position)),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn r51_an_entry_that_is_taken_away_moved_or_added_is_noticed(log in logs(), entry: Index, how in 0..5) {
        let (mut changed, at) = (log.clone(), entry.index(under_seals(&log)));
        match how {
            0 => drop(changed.links.remove(at)),
            1 => changed.links[at].position += 1,
            2 => changed.links.insert(at, link(log.links[at].position - 1, b"new")),
            3 => changed.links.insert(at + 1, link(log.links[at].position + 1, b"new")),
            _ => changed.links.truncate(at),
        }
        // After the last sealed entry it is only one that isn't sealed yet.
        prop_assume!(how != 3 || at + 1 < under_seals(&log));
        prop_assert!(verify(&changed, &[]).broken.is_some());
    }

    #[test]
    fn r51_any_single_change_of_a_seal_or_of_the_chain_is_noticed(log in logs(), seal: Index, what in 0..15, bit in 0_usize..256) {
        let (mut changed, at) = (log.clone(), seal.index(log.seals.len()));
        let chain = &mut changed.chain;
        let one = &mut changed.seals[at];
        match what {
            0 => one.number += 1,
            1 => one.first_position += 1,
            2 => one.last_position += 1,
            3 => one.entries += 1,
            4 => one.newest_at = one.newest_at.map(|at| at + chrono::Duration::microseconds(1)),
            5 => one.newest_at = None,
            6 => one.salt = Uuid::from_u128(one.salt.as_u128() ^ 1 << (bit % 128)),
            7 => one.before = flipped(one.before, bit),
            8 => one.hash = flipped(one.hash, bit),
            9 => drop(changed.seals.remove(at)),
            10 => chain.end.number += 1,
            11 => chain.end.hash = flipped(chain.end.hash, bit),
            12 => chain.cut.number += 1,
            13 => chain.cut.hash = flipped(chain.cut.hash, bit),
            _ => chain.cut.position = log.links[0].position,
        }
        prop_assert!(verify(&changed, &[]).broken.is_some(), "{}", what);
    }

    #[test]
    fn r51_a_chain_that_was_made_anew_differs_from_the_seals_that_were_sent(contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..12), 2..150), entry: Index) {
        let log = sealed(&contents, &[40, 200]);
        let sent: Vec<_> = log.seals.iter().map(|seal| (seal.number, seal.hash)).collect();
        prop_assert_eq!(verify(&log, &sent).broken, None);
        let mut changed = contents.clone();
        changed[entry.index(contents.len())].push(1);
        let forged = sealed(&changed, &[40, 200]);
        prop_assert_eq!(verify(&forged, &[]).broken, None);
        prop_assert!(is_of_sent(&verify(&forged, &sent)));
        // Also when seals of the forged chain were sent after those of the true one.
        let both: Vec<_> = sent.iter().copied().chain(forged.seals.iter().map(|seal| (seal.number, seal.hash))).collect();
        prop_assert!(is_of_sent(&verify(&forged, &both)));
        // Whoever cuts the log's end off, with its seals, still lacks what was sent.
        let shorter = sealed(&contents[..contents.len() - 1], &[40, 200]);
        prop_assert_eq!(verify(&shorter, &[]).broken, None);
        let last = shorter.seals.last().map_or(0, |seal| seal.number);
        let lacks = Broken::Lacks { seal: last + 1, last };
        prop_assert!(is_of_sent(&verify(&shorter, &sent)));
        if sent.iter().all(|(number, hash)| shorter.seals.iter().all(|seal| seal.number != *number || seal.hash == *hash)) {
            prop_assert_eq!(verify(&shorter, &sent).broken, Some(lacks), "those that are left are the ones that were sent");
        }
    }

    #[test]
    fn r51_two_lists_of_values_never_have_the_same_bytes(one in values(), other in values()) {
        prop_assert_eq!(hash(&one) == hash(&other), one == other);
    }
}

fn is_of_sent(verified: &Verified) -> bool {
    matches!(verified.broken, Some(Broken::Sent { .. } | Broken::Lacks { .. }))
}

fn values() -> impl Strategy<Value = Vec<Option<String>>> {
    prop::collection::vec(prop::option::of("[ab]{0,2}"), 0..4)
}

fn hash(values: &[Option<String>]) -> Hash {
    values.iter().fold(Canonical::new("test"), |hashed, value| hashed.text(value.as_deref())).hash()
}
