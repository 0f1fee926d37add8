//! cynic.

use cynic::{GraphQlResponse, MutationBuilder as _, QueryBuilder as _};
use serde::de::DeserializeOwned;

use crate::{Result, Server, of_a_later_server};

#[allow(warnings)]
mod operations {
    include!(concat!(env!("OUT_DIR"), "/cynic.rs"));
}

use operations::mutation_createComponent::{ComponentType, NewComponent, NewComponentVariables};
use operations::query_integrationPacks::{PackList, PackListVariables};
use operations::query_viewer::{Account2, Role, WhoAmI};

pub fn run(server: &Server) -> Result<()> {
    let answer = server.ask(&WhoAmI::build(()))?;
    let viewer = read::<WhoAmI>(&answer)?.viewer;
    println!("cynic: the role {:?}", viewer.role);

    // A value or a type that this program has never seen becomes the variant that is marked `#[cynic(fallback)]`.
    let later = read::<WhoAmI>(&of_a_later_server(&answer)?)?.viewer;
    match (later.role, later.account.account2) {
        (Role::Unknown(value), Account2::Unknown) if value == "SOMETHING_NEW" => {}
        became => return Err(format!("what is new became {became:?}")),
    }

    let variables = PackListVariables { filter: None, order_by: None, first: Some(3), after: None };
    let packs = read::<PackList>(&server.ask(&PackList::build(variables))?)?.integration_packs;
    for edge in packs.edges {
        println!("cynic: {} is {:?}", edge.node.name, edge.node.state);
    }

    let variables =
        NewComponentVariables { name: "Orders, by cynic", type_: ComponentType::Process, key: Some("example/cynic") };
    let made = read::<NewComponent>(&server.ask(&NewComponent::build(variables))?)?.create_component;
    for error in &made.errors {
        println!("cynic: refused, {:?}: {}", error.code, error.message);
    }
    Ok(())
}

/// The data of an answer. Errors of GraphQL count more: there may be data beside them.
fn read<T: DeserializeOwned>(answer: &str) -> Result<T> {
    let answer: GraphQlResponse<T> = serde_json::from_str(answer).map_err(|error| format!("{error} in {answer}"))?;
    match answer.errors {
        Some(errors) if !errors.is_empty() => Err(format!("{errors:?}")),
        _ => answer.data.ok_or_else(|| "the answer has no data".into()),
    }
}
