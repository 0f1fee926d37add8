//! Keyset pagination. A cursor has the sort keys of its row, so the cost of a page doesn't depend on its position in
//! the list. Pages of the same list for many parents take one statement.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::Hash;

use sea_orm::sea_query::{Asterisk, Expr, ExprTrait as _, LikeExpr, Order as Way, SelectStatement, UnionType};
use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult};

use super::StoreResult;
pub use super::cursor::{CursorForm, Key, KeyKind};
use super::reader::Reader;

/// The largest total that is counted. Beyond it, `total` is `None`.
pub(in crate::store) const COUNT_MAX: u64 = 10_000;
/// The number of pages in one statement. SQLite accepts at most 500 parts.
const PAGES_MAX: usize = 100;
/// The column with the index of the page that a row belongs to.
const PAGE_OF: &str = "page_of";

/// The requested part of a list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageRequest {
    /// The number of rows, 0 to 100. With 0 the page has only its `has_next`, `has_previous` and `total`.
    pub size: u32,
    /// Whether the page is taken from the end.
    pub backward: bool,
    /// The keys of a cursor of the list's [`CursorForm`].
    pub after: Option<Vec<Key>>,
    pub before: Option<Vec<Key>>,
    /// Whether to count the total.
    pub count: bool,
}

impl PageRequest {
    /// A request for the first `size` rows.
    #[must_use]
    pub fn first(size: u32) -> Self {
        Self { size, backward: false, after: None, before: None, count: false }
    }
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// In the list's order, each with its cursor.
    pub items: Vec<(String, T)>,
    pub has_next: bool,
    pub has_previous: bool,
    /// The number of rows in the whole list; `None` if not requested, and above 10,000.
    pub total: Option<i64>,
}

impl<T> Page<T> {
    /// A page of an empty list. With `count`, it has the total 0.
    #[must_use]
    pub fn empty(count: bool) -> Self {
        Self { items: Vec::new(), has_next: false, has_previous: false, total: count.then_some(0) }
    }

    /// Converts each item.
    pub fn map<U>(self, mut f: impl FnMut(T) -> U) -> Page<U> {
        let Self { items, has_next, has_previous, total } = self;
        Page {
            items: items.into_iter().map(|(cursor, item)| (cursor, f(item))).collect(),
            has_next,
            has_previous,
            total,
        }
    }

    /// Replaces the cursors.
    pub(in crate::store) fn renamed(mut self, cursor: impl Fn(&T) -> String) -> Self {
        for (name, item) in &mut self.items {
            *name = cursor(item);
        }
        self
    }

    /// Converts each item, and returns the first error of `f`.
    pub fn try_map<U, E>(self, mut f: impl FnMut(T) -> Result<U, E>) -> Result<Page<U>, E> {
        let Self { items, has_next, has_previous, total } = self;
        let items = items.into_iter().map(|(cursor, item)| Ok((cursor, f(item)?))).collect::<Result<_, E>>()?;
        Ok(Page { items, has_next, has_previous, total })
    }
}

/// The order of a list. The last column makes it unique.
pub(in crate::store) struct Order<M> {
    form: CursorForm,
    columns: Vec<(Expr, Way)>,
    keys: fn(&M) -> Vec<Key>,
}

impl<M> Order<M> {
    /// All columns have the same direction: descending if `form` is reversed.
    pub(in crate::store) fn new(form: CursorForm, columns: Vec<Expr>, keys: fn(&M) -> Vec<Key>) -> Self {
        let way = if form.is_descending() { Way::Desc } else { Way::Asc };
        Self { form, columns: columns.into_iter().map(|column| (column, way.clone())).collect(), keys }
    }

    /// Each column has its own direction.
    pub(in crate::store) fn mixed(form: CursorForm, columns: Vec<(Expr, Way)>, keys: fn(&M) -> Vec<Key>) -> Self {
        Self { form, columns, keys }
    }

    fn compare(&self, a: &[Key], b: &[Key]) -> Ordering {
        let ways = self.columns.iter().map(|(_, way)| way);
        let mut each = a.iter().zip(b).zip(ways).map(|((a, b), way)| match way {
            Way::Desc => b.cmp(a),
            _ => a.cmp(b),
        });
        each.find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// The condition that a row comes after `keys`, or before them if `after` is false.
    fn beyond(&self, keys: &[Key], after: bool) -> Expr {
        let is_up = |way: &Way| (*way != Way::Desc) == after;
        let uniform = self.columns.windows(2).all(|pair| matches!(pair, [(_, a), (_, b)] if a == b));
        if let (true, Some((_, way))) = (uniform, self.columns.first()) {
            let columns = Expr::tuple(self.columns.iter().map(|(column, _)| column.clone()));
            let values = Expr::tuple(keys.iter().map(Key::value));
            return if is_up(way) { columns.gt(values) } else { columns.lt(values) };
        }
        let pairs: Vec<_> = self.columns.iter().zip(keys).collect();
        let strictly = |((column, way), key): &(&(Expr, Way), &Key)| {
            if is_up(way) { column.clone().gt(key.value()) } else { column.clone().lt(key.value()) }
        };
        let mut any = Expr::val(false).eq(true);
        for (n, pair) in pairs.iter().enumerate() {
            let equal_so_far = pairs
                .iter()
                .take(n)
                .fold(strictly(pair), |all, ((column, _), key)| column.clone().eq(key.value()).and(all));
            any = if n == 0 { equal_so_far } else { any.or(equal_so_far) };
        }
        // Redundant, but lets the database search the index for the start.
        match pairs.first() {
            Some(((column, way), key)) if is_up(way) => column.clone().gte(key.value()).and(any),
            Some(((column, _), key)) => column.clone().lte(key.value()).and(any),
            None => any,
        }
    }
}

/// A list, its order, and the requested page.
pub(in crate::store) struct ListQuery<M> {
    /// Without order and limit.
    pub(in crate::store) select: SelectStatement,
    pub(in crate::store) order: Order<M>,
    pub(in crate::store) request: PageRequest,
}

impl<M: FromQueryResult> ListQuery<M> {
    /// Selects one row more than requested, to find out whether the list goes on.
    fn statement(&self) -> SelectStatement {
        let Self { select, order, request } = self;
        let mut select = select.clone();
        if let Some(after) = &request.after {
            select.and_where(order.beyond(after, true));
        }
        if let Some(before) = &request.before {
            select.and_where(order.beyond(before, false));
        }
        for (column, way) in &order.columns {
            let upward = (*way != Way::Desc) != request.backward;
            select.order_by_expr(column.clone(), if upward { Way::Asc } else { Way::Desc });
        }
        select.limit(u64::from(request.size) + 1);
        select
    }
}

/// Counts the rows of a select up to the largest total, and one more.
fn counted(mut rows: SelectStatement) -> SelectStatement {
    rows.clear_selects().clear_order_by().expr(Expr::cust("1")).limit(COUNT_MAX + 1);
    SelectStatement::new().expr_as(Expr::cust("COUNT(*)"), "total").from_subquery(rows, "counted").take()
}

impl<M> ListQuery<M> {
    fn page(&self, rows: Vec<M>, total: Option<i64>) -> Page<M> {
        let mut rows: Vec<_> = rows.into_iter().map(|row| ((self.order.keys)(&row), row)).collect();
        rows.sort_by(|(a, _), (b, _)| self.order.compare(a, b));
        let size = usize::try_from(self.request.size).unwrap_or(usize::MAX);
        let more = rows.len() > size;
        if more && self.request.backward {
            rows.drain(..rows.len() - size);
        }
        rows.truncate(size);
        let (after, before) = (self.request.after.is_some(), self.request.before.is_some());
        let (has_previous, has_next) =
            if self.request.backward { (more || after, before) } else { (after, more || before) };
        let items = rows.into_iter().map(|(keys, row)| (self.order.form.encode(&keys), row)).collect();
        Page { items, has_next, has_previous, total: total.filter(|t| u64::try_from(*t).is_ok_and(|t| t <= COUNT_MAX)) }
    }
}

/// Reads one page of a list.
pub(in crate::store) async fn page<M: FromQueryResult>(reader: &Reader, query: ListQuery<M>) -> StoreResult<Page<M>> {
    let mut pages = pages(reader, vec![((), query)]).await?;
    Ok(pages.remove(&()).unwrap_or_else(|| Page::empty(false)))
}

/// The rows of a list that consists of parts, by one statement. No row may be in two parts. Each part is read in the
/// list's order from its own index, so the cost depends on the rows read and not on the size of the parts. Returns at
/// least the rows of the page, for [`joined`].
pub(in crate::store) async fn rows_of_parts<M: FromQueryResult>(
    reader: &Reader,
    parts: Vec<SelectStatement>,
    order: Order<M>,
    request: &PageRequest,
) -> StoreResult<Vec<M>> {
    let mut query = ListQuery { select: SelectStatement::new(), order, request: request.clone() };
    let mut pages = Vec::new();
    for part in parts {
        query.select = part;
        pages.push(query.statement());
    }
    let rows = numbered(reader, pages).await?;
    Ok(rows.iter().map(|(row, _)| M::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

/// The number of rows of a list that consists of parts, by one statement. Each part is counted up to the largest total.
pub(in crate::store) async fn count_of_parts(
    reader: &Reader,
    parts: impl IntoIterator<Item = SelectStatement>,
) -> StoreResult<i64> {
    sum(reader, parts.into_iter().map(counted).collect()).await
}

/// A page from rows of several statements. Each statement must have returned one row more than the page has, if there
/// are that many.
pub(in crate::store) fn joined<M>(order: Order<M>, request: PageRequest, rows: Vec<M>, total: i64) -> Page<M> {
    let total = request.count.then_some(total);
    ListQuery { select: SelectStatement::new(), order, request }.page(rows, total)
}

/// The sum of the column `total` over all selects, by one statement.
pub(in crate::store) async fn sum(reader: &Reader, counts: Vec<SelectStatement>) -> StoreResult<i64> {
    let mut sum: i64 = 0;
    for (row, _) in numbered(reader, counts).await? {
        sum = sum.saturating_add(row.try_get("", "total")?);
    }
    Ok(sum)
}

/// Pages of lists with the same columns. They take one statement, and another one if totals are requested; many pages
/// are split into chunks.
pub(in crate::store) async fn pages<K, M>(
    reader: &Reader,
    queries: Vec<(K, ListQuery<M>)>,
) -> StoreResult<HashMap<K, Page<M>>>
where
    K: Eq + Hash,
    M: FromQueryResult,
{
    let mut pages = HashMap::with_capacity(queries.len());
    let mut left = queries;
    while !left.is_empty() {
        let rest = left.split_off(left.len().min(PAGES_MAX));
        some_pages(reader, left, &mut pages).await?;
        left = rest;
    }
    Ok(pages)
}

async fn some_pages<K, M>(
    reader: &Reader,
    queries: Vec<(K, ListQuery<M>)>,
    into: &mut HashMap<K, Page<M>>,
) -> StoreResult<()>
where
    K: Eq + Hash,
    M: FromQueryResult,
{
    let mut rows: Vec<Vec<M>> = queries.iter().map(|_| Vec::new()).collect();
    let selects = queries.iter().map(|(_, w)| w.statement()).collect();
    for (row, index) in numbered(reader, selects).await? {
        if let Some(rows) = rows.get_mut(index) {
            rows.push(M::from_query_result(&row, "")?);
        }
    }
    let counted: Vec<_> = queries.iter().enumerate().filter(|(_, (_, w))| w.request.count).collect();
    let mut totals = vec![None; queries.len()];
    if !counted.is_empty() {
        let selects = counted.iter().map(|(_, (_, w))| self::counted(w.select.clone())).collect();
        for (row, index) in numbered(reader, selects).await? {
            let total: i64 = row.try_get("", "total")?;
            if let Some(slot) = counted.get(index).and_then(|(page, _)| totals.get_mut(*page)) {
                *slot = Some(total);
            }
        }
    }
    for (((key, query), rows), total) in queries.into_iter().zip(rows).zip(totals) {
        into.insert(key, query.page(rows, total));
    }
    Ok(())
}

async fn numbered(reader: &Reader, selects: Vec<SelectStatement>) -> StoreResult<Vec<(QueryResult, usize)>> {
    let mut parts = selects.into_iter().enumerate();
    let Some((_, mut statement)) = parts.next() else { return Ok(Vec::new()) };
    let mut rest = parts.peekable();
    if rest.peek().is_none() {
        return Ok(reader.conn().query_all(&statement).await?.into_iter().map(|row| (row, 0)).collect());
    }
    statement = part(statement, 0);
    for (index, select) in rest {
        statement.union(UnionType::All, part(select, index));
    }
    let rows = reader.conn().query_all(&statement).await?;
    rows.into_iter()
        .map(|row| {
            let index: i32 = row.try_get("", PAGE_OF)?;
            Ok((row, usize::try_from(index).unwrap_or(usize::MAX)))
        })
        .collect()
}

/// Makes a select a part of a union, with its own order and limit.
fn part(mut select: SelectStatement, index: usize) -> SelectStatement {
    select.expr_as(Expr::cust(index.to_string()), PAGE_OF);
    SelectStatement::new().column(Asterisk).from_subquery(select, "part").take()
}

/// Makes the database check the condition row by row. Used for conditions on the owner when other columns find the
/// rows: without statistics a database might otherwise begin with all rows of the owner.
pub(in crate::store) fn checked(condition: Expr) -> Expr {
    condition.is(Expr::custom_keyword("TRUE"))
}

/// The condition that a stored key contains `search`, ignoring case.
pub(in crate::store) fn contains(column: Expr, search: &str) -> Expr {
    let mut pattern = String::from("%");
    for c in crate::domain::text::key(search).chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    column.like(LikeExpr::new(pattern).escape('\\'))
}
