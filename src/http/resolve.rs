//! Executes queries as cheaply as it goes: first without guards, and without a transaction when a single read is
//! expected.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt as _;

use crate::gate::OperationKind;
use crate::graphql::{Panics, Written};
use crate::service::access::Caller;
use crate::service::error::Failure;

use super::admission::Admitted;
use super::answer::Answer;
use super::engine::{Engine, executed_answer};
use super::parsed::Document;

impl Engine {
    /// Executes a query or a mutation that was admitted. A panic becomes an internal error.
    pub(super) async fn resolve(
        &self,
        caller: &Arc<Caller>,
        request_id: &str,
        admitted: &Admitted,
        panics: &Panics,
    ) -> Answer {
        let mut allowance = None;
        if admitted.kind() == OperationKind::Query && admitted.prepared.introspection_bytes == 0 {
            let document = self.parsed.get(&admitted.checked);
            let expects_one_read = document.as_ref().is_some_and(|document| document.reads.expect_one());
            let mut tried = self.try_bare(caller, request_id, admitted, &document, panics, expects_one_read).await;
            if let Err(Again::WithSnapshot) = tried {
                allowance = self.charge_again(caller, admitted);
                tried = Box::pin(self.try_bare(caller, request_id, admitted, &document, panics, false)).await;
            }
            if let Ok(answer) = tried {
                return Answer { allowance, ..answer };
            }
        }
        let (request, _) = self.request(caller.clone(), admitted, self.parsed.get(&admitted.checked), panics);
        let executed = Box::pin(self.schema.execute(request));
        match AssertUnwindSafe(executed).catch_unwind().await {
            Ok(response) => Answer { allowance, ..executed_answer(response, panics, request_id) },
            // The panic hook has logged the panic's message.
            Err(_) => Answer::failed(&Failure::bug("the execution panicked"), request_id),
        }
    }

    /// Executes a query in the schema without guards. If it can't be answered so, it is executed again, because a query
    /// has no effects: after a panic in the guarded schema, which finds the field that panicked; and in a snapshot when
    /// it was wrong to expect a single read.
    async fn try_bare(
        &self,
        caller: &Arc<Caller>,
        request_id: &str,
        admitted: &Admitted,
        document: &Option<Document>,
        panics: &Panics,
        expects_one_read: bool,
    ) -> Result<Answer, Again> {
        let allows_parts = document.as_ref().is_some_and(|document| document.allows_parts);
        let (request, connection) = self.request(caller.clone(), admitted, document.clone(), panics);
        if expects_one_read {
            connection.expect_one_read();
        }
        let written = Written::default();
        let request = if allows_parts { request.data(written.clone()) } else { request };
        let executed = pin!(self.schema.execute_without_extensions(request));
        let executed = AssertUnwindSafe(executed).catch_unwind();
        let tried = tokio::select! {
            biased;
            executed = executed => match executed {
                Ok(response) => {
                    let answer = executed_answer(response, panics, request_id);
                    Ok(Answer { parts: written.take(), ..answer })
                }
                // The panic hook has logged the panic's message.
                Err(_) => Err(Again::WithGuards),
            },
            () = connection.wants_more() => Err(Again::WithSnapshot),
        };
        // An execution that failed after its first read doesn't show how many reads the document needs.
        let tells = connection.reads() > 1 || tried.as_ref().is_ok_and(|answer| answer.response.errors.is_empty());
        if let Some(document) = document.as_ref().filter(|_| tells) {
            document.reads.record(connection.reads());
        }
        tried
    }
}

/// How a query must be executed again.
enum Again {
    /// In the guarded schema, because a resolver panicked.
    WithGuards,
    /// In a snapshot, because it reads more than once.
    WithSnapshot,
}
