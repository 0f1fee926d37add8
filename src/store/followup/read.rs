//! Reads of open follow-up tasks, for operators (R49).

use entity::{account, integration_pack as pack, pack_version as version, task};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Order, Query, SelectStatement};
use sea_orm::{ConnectionTrait as _, FromQueryResult, Iterable as _};

use crate::domain::Instant;
use crate::domain::id::{AccountId, PackId, ReleaseId};
use crate::store::column::col;
use crate::store::followup::tasks::Work;
use crate::store::{StoreResult, WholeServer, tolerant};

/// A task that isn't finished.
#[derive(Clone, Debug)]
pub struct OpenTask {
    pub id: Uuid,
    pub kind: String,
    /// The task's work; `None` if this version of the program doesn't know its kind.
    pub work: Option<Work>,
    pub publisher: (AccountId, String),
    pub pack: Option<(PackId, String)>,
    pub release: Option<ReleaseId>,
    /// The number of the release's version.
    pub version: Option<i32>,
    pub account: Option<(AccountId, String)>,
    /// Whether the pack can't have another release before the task is finished.
    pub moves_installations: bool,
    /// The number of installations, accounts or packs that batches have processed, and the last one of them.
    pub done: i64,
    pub resume_after: Option<Uuid>,
    pub failures: i32,
    pub last_failure: Option<String>,
    pub not_before: Instant,
    pub created_at: Instant,
}

#[derive(FromQueryResult)]
struct Names {
    publisher_name: String,
    pack_name: Option<String>,
    version_number: Option<i32>,
    account_name: Option<String>,
}

fn open() -> SelectStatement {
    use task::Column as T;
    let publisher = |column: account::Column| Expr::col((Alias::new("publisher"), column));
    let concerned = |column: account::Column| Expr::col((Alias::new("concerned"), column));
    Query::select()
        .columns(T::iter().map(|column| (task::Entity, column)))
        .expr_as(publisher(account::Column::Name), "publisher_name")
        .expr_as(col(pack::Column::Name), "pack_name")
        .expr_as(col(version::Column::Number), "version_number")
        .expr_as(concerned(account::Column::Name), "account_name")
        .from(task::Entity)
        .join_as(
            sea_orm::JoinType::LeftJoin,
            account::Entity,
            Alias::new("publisher"),
            publisher(account::Column::Id).eq(col(T::PublisherId)),
        )
        .left_join(pack::Entity, col(pack::Column::Id).eq(col(T::PackId)))
        .left_join(version::Entity, col(version::Column::ReleaseId).eq(col(T::ReleaseId)))
        .join_as(
            sea_orm::JoinType::LeftJoin,
            account::Entity,
            Alias::new("concerned"),
            concerned(account::Column::Id).eq(col(T::AccountId)),
        )
        .order_by((task::Entity, T::Id), Order::Asc)
        .take()
}

/// The tasks that aren't finished.
#[derive(Clone, Debug, Default)]
pub struct OpenTasks {
    pub tasks: Vec<OpenTask>,
    pub unreadable: Vec<Unreadable>,
}

/// A row that can't be read. No server works on it.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// `None` if the id can't be read either.
    pub id: Option<Uuid>,
    pub why: String,
}

async fn read(server: &WholeServer, select: &SelectStatement) -> StoreResult<OpenTasks> {
    let mut open = OpenTasks::default();
    for row in server.conn().query_all(select).await? {
        let read =
            tolerant::row::<task::Model>(&row, "").and_then(|task| Ok((task, tolerant::row::<Names>(&row, "")?)));
        match read {
            Ok((row, names)) => open.tasks.push(OpenTask::of(row, names)),
            Err(why) => {
                let id = tolerant::column(&row, "id").ok();
                tolerant::skip("task", id.map_or_else(|| "unreadable".into(), |id: Uuid| id.to_string()), &why);
                open.unreadable.push(Unreadable { id, why: why.to_string() });
            }
        }
    }
    Ok(open)
}

impl OpenTask {
    fn of(row: task::Model, names: Names) -> Self {
        Self {
            id: row.id,
            work: Work::of(&row),
            kind: row.kind,
            publisher: (row.publisher_id.into(), names.publisher_name),
            pack: row.pack_id.map(Into::into).zip(names.pack_name),
            release: row.release_id.map(Into::into),
            version: names.version_number,
            account: row.account_id.map(Into::into).zip(names.account_name),
            moves_installations: row.moves_installations,
            done: row.done,
            resume_after: row.resume_after,
            failures: row.failures,
            last_failure: row.last_failure,
            not_before: row.not_before,
            created_at: row.created_at,
        }
    }
}

/// All open tasks, oldest first.
pub async fn all(server: &WholeServer) -> StoreResult<OpenTasks> {
    read(server, &open()).await
}

/// The open task with this id; `Err` if its row can't be read.
pub async fn by_id(server: &WholeServer, id: Uuid) -> StoreResult<Option<Result<OpenTask, Unreadable>>> {
    let mut found = read(server, open().and_where(col(task::Column::Id).eq(id))).await?;
    Ok(found.tasks.pop().map(Ok).or(found.unreadable.pop().map(Err)))
}
