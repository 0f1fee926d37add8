//! Finds objects by their keys or their ids.

use crate::operations::{FindComponent, FindGroup, FindPack, find_component, find_group, find_pack};
use crate::plan::Named;
use crate::{Api, Failure};

macro_rules! finder {
    ($finder:ident, $operation:ident, $module:ident, $kind:literal) => {
        /// Finds an object by its key, else by its id. Fails with NOT_FOUND if there is none.
        pub(super) async fn $finder(api: &mut Api, text: &str) -> Result<Named, Failure> {
            let variables = $module::Variables { text: text.to_owned(), id: text.to_owned() };
            let found = api.ask::<$operation>(variables).await?;
            let found =
                found.by_key.or(found.by_id).map(|found| Named { id: found.id, key: found.key, name: found.name });
            found.ok_or_else(|| unknown($kind, text))
        }
    };
}

finder!(component, FindComponent, find_component, "component");
finder!(pack, FindPack, find_pack, "pack");
finder!(group, FindGroup, find_group, "account group");

fn unknown(kind: &str, text: &str) -> Failure {
    let sentence = format!(
        "The account has no {kind} with the key or the id {text}. `packwright whoami` shows which account it is."
    );
    Failure::coded("NOT_FOUND", sentence)
}
