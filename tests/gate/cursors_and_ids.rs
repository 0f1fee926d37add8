//! Cursors and global IDs: arbitrary texts in their place do no harm, and issued ones decode to the original.

use async_graphql::ID;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use packwright::domain::id::{
    AccountId, ComponentId, EventId, GroupId, InstallationId, PackId, PackVersionId, ReleaseId, TokenId, UpdateId,
    WebhookId,
};
use packwright::domain::log::Position;
use packwright::events::cursor::Sealer;
use packwright::graphql::ids::Gid;
use packwright::store::page::{CursorForm, Key, KeyKind};
use proptest::prelude::*;
use uuid::Uuid;

const FORM: CursorForm = CursorForm::new("proptest", &[KeyKind::Text, KeyKind::Number, KeyKind::Instant, KeyKind::Id]);

/// Texts that resemble issued ones: random base64, random JSON in base64, truncated and changed ones.
fn texts() -> impl Strategy<Value = String> {
    let noise = prop::collection::vec(any::<u8>(), 0..80).prop_map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
    let json = (any::<String>(), any::<i64>(), prop::bool::ANY).prop_map(|(text, number, is_known)| {
        let list = if is_known { "proptest".into() } else { text.clone() };
        URL_SAFE_NO_PAD.encode(serde_json::json!([list, text, number, number, text]).to_string())
    });
    let prefixed = ("[a-z]{1,4}", noise.clone()).prop_map(|(prefix, rest)| format!("{prefix}_{rest}"));
    prop_oneof![any::<String>(), noise, json, prefixed]
}

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

proptest! {
    #[test]
    fn the_log_has_the_ids_of_the_api(uuid in uuid()) {
        let (account, shown) = (AccountId(uuid), |gid: Gid| gid.encode().to_string());
        prop_assert_eq!(TokenId(uuid).to_string(), shown(Gid::ApiToken(TokenId(uuid))));
        prop_assert_eq!(GroupId(uuid).to_string(), shown(Gid::AccountGroup(GroupId(uuid))));
        prop_assert_eq!(ComponentId(uuid).to_string(), shown(Gid::Component(ComponentId(uuid))));
        prop_assert_eq!(PackId(uuid).to_string(), shown(Gid::IntegrationPack(PackId(uuid))));
        prop_assert_eq!(PackVersionId(uuid).to_string(), shown(Gid::PackVersion(PackVersionId(uuid))));
        prop_assert_eq!(ReleaseId(uuid).to_string(), shown(Gid::Release(ReleaseId(uuid))));
        prop_assert_eq!(InstallationId(uuid).to_string(), shown(Gid::Installation(InstallationId(uuid))));
        prop_assert_eq!(WebhookId(uuid).to_string(), shown(Gid::WebhookEndpoint(WebhookId(uuid))));
        prop_assert_eq!(account.shown_as_publisher(), shown(Gid::PublisherAccount(account)));
        prop_assert_eq!(account.shown_as_managed(), shown(Gid::ManagedAccount(account)));
    }

    #[test]
    fn fuzz_no_text_given_as_a_cursor_does_harm(text in texts(), account in uuid(), key in any::<[u8; 32]>()) {
        if let Some(keys) = FORM.decode(&text) {
            prop_assert_eq!(keys.len(), 4);
            prop_assert_eq!(FORM.decode(&FORM.encode(&keys)), Some(keys), "what is read can be written");
        }
        prop_assert_eq!(Sealer::new(key).open(AccountId(account), &text), None, "nobody can make one up");
    }

    #[test]
    fn a_page_cursor_comes_back_as_it_was(
        text in "[^\\x00]{0,40}", number in any::<i64>(), micros in 0..4_102_444_800_000_000_i64, id in uuid(),
    ) {
        let instant = chrono::DateTime::from_timestamp_micros(micros).unwrap();
        let keys = vec![Key::Text(text), Key::Number(number), Key::Instant(instant), Key::Id(id)];
        let cursor = FORM.encode(&keys);
        prop_assert_eq!(FORM.decode(&cursor), Some(keys));
        prop_assert_eq!(FORM.reversed(true).decode(&cursor), None, "another order has other cursors");
        prop_assert_eq!(CursorForm::new("other", &[KeyKind::Text]).decode(&cursor), None);
    }

    #[test]
    fn r50_an_event_cursor_opens_for_its_account_alone(
        key in any::<[u8; 32]>(), account in uuid(), other in uuid(), at_sequence in any::<i64>(), event in uuid(), at in any::<prop::sample::Index>(),
    ) {
        let sealer = Sealer::new(key);
        let position = Position { sequence: at_sequence, event: EventId(event) };
        let cursor = sealer.seal(AccountId(account), position);
        prop_assert_eq!(sealer.open(AccountId(account), &cursor), Some(position));
        prop_assume!(account != other);
        prop_assert_eq!(sealer.open(AccountId(other), &cursor), None);
        let mut bytes = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1;
        prop_assert_eq!(sealer.open(AccountId(account), &URL_SAFE_NO_PAD.encode(bytes)), None, "not a bit may change");
    }

    #[test]
    fn fuzz_no_text_given_as_an_id_does_harm(text in texts()) {
        if let Some(gid) = Gid::decode(&ID(text.clone())) {
            prop_assert_eq!(gid.encode().to_string(), text, "an object has one id");
        }
    }

    #[test]
    fn an_id_comes_back_as_it_was_and_names_one_type(a in uuid(), b in uuid()) {
        let update = UpdateId { installation: InstallationId(a), release: ReleaseId(b) };
        let gids = [
            Gid::IntegrationPack(PackId(a)), Gid::AvailablePack(PackId(a)), Gid::Installation(InstallationId(a)),
            Gid::Release(ReleaseId(a)), Gid::InstallationUpdate(update),
        ];
        let ids: Vec<_> = gids.iter().map(|gid| gid.encode()).collect();
        for (gid, id) in gids.iter().zip(&ids) {
            prop_assert_eq!(Gid::decode(id), Some(*gid));
            prop_assert_eq!(ids.iter().filter(|other| *other == id).count(), 1);
        }
    }
}
