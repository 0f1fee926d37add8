//! graphql_client.

use graphql_client::{GraphQLQuery, Response};
use serde::de::DeserializeOwned;

use crate::{Result, Server, of_a_later_server};

#[allow(warnings)]
mod operations {
    include!(concat!(env!("OUT_DIR"), "/graphql_client.rs"));
}

use operations::{NewComponent, PackList, WhoAmI, new_component, pack_list, who_am_i};

pub fn run(server: &Server) -> Result<()> {
    let answer = server.ask(&WhoAmI::build_query(who_am_i::Variables {}))?;
    let viewer = read::<who_am_i::ResponseData>(&answer)?.viewer;
    println!("graphql_client: {} with the role {:?}", viewer.account.name, viewer.role);

    // A value that this program has never seen is kept in the variant `Other`, and a type becomes `Unknown`.
    let later = read::<who_am_i::ResponseData>(&of_a_later_server(&answer)?)?.viewer;
    match (later.role, later.account.on) {
        (who_am_i::Role::Other(value), who_am_i::WhoAmIViewerAccountOn::Unknown) if value == "SOMETHING_NEW" => {}
        became => return Err(format!("what is new became {became:?}")),
    }

    let variables = pack_list::Variables { filter: None, order_by: None, first: Some(3), after: None };
    let packs = read::<pack_list::ResponseData>(&server.ask(&PackList::build_query(variables))?)?.integration_packs;
    for edge in packs.edges {
        println!("graphql_client: {} is {:?}", edge.node.name, edge.node.state);
    }

    let variables = new_component::Variables {
        name: "Orders, by graphql_client".into(),
        type_: new_component::ComponentType::PROCESS,
        key: Some("example/graphql_client".into()),
    };
    let made =
        read::<new_component::ResponseData>(&server.ask(&NewComponent::build_query(variables))?)?.create_component;
    for error in &made.errors {
        println!("graphql_client: refused, {:?}: {}", error.code, error.message);
    }
    Ok(())
}

/// The data of an answer. Errors of GraphQL count more: there may be data beside them.
fn read<T: DeserializeOwned>(answer: &str) -> Result<T> {
    let answer: Response<T> = serde_json::from_str(answer).map_err(|error| format!("{error} in {answer}"))?;
    match answer.errors {
        Some(errors) if !errors.is_empty() => Err(format!("{errors:?}")),
        _ => answer.data.ok_or_else(|| "the answer has no data".into()),
    }
}
