//! The orders in a database, SQLite or PostgreSQL: the same statements for both.

use gwanmun_chassis::sql::sqlx::any::AnyRow;
use gwanmun_chassis::sql::sqlx::{self, Any, AnyPool, Row, Transaction, query};
use gwanmun_chassis::sql::{Migration, NoDatabase};

use crate::Orders;
use crate::handlers::Order;

/// The table, step by step.
pub(crate) const MIGRATIONS: &[Migration] =
    gwanmun_chassis::migrations!["migrations/0001_orders.sqlite.sql", "migrations/0001_orders.postgres.sql"];

/// So many orders are shown.
const MOST: i64 = 100;

/// All orders.
pub(crate) struct Book(AnyPool);

impl Book {
    pub(crate) fn of(app: &Orders) -> Result<Self, NoDatabase> {
        Ok(Self(app.sql()?.clone()))
    }

    /// Adds one, which is there when the transaction is committed.
    pub(crate) async fn add(
        &self,
        by: &str,
        dish: &str,
        quantity: u32,
    ) -> Result<(Order, Transaction<'static, Any>), sqlx::Error> {
        let mut transaction = self.0.begin().await?;
        let insert = "INSERT INTO orders (placed_by, dish, quantity) VALUES ($1, $2, $3) \
                      RETURNING id, placed_by, dish, quantity, cancelled";
        let row = query(insert).bind(by).bind(dish).bind(i64::from(quantity)).fetch_one(&mut *transaction).await?;
        Ok((order(row)?, transaction))
    }

    /// The latest, of one person or of all.
    pub(crate) async fn list(&self, by: Option<&str>) -> Result<Vec<Order>, sqlx::Error> {
        let select = "SELECT id, placed_by, dish, quantity, cancelled FROM orders \
                      WHERE $1 = '' OR placed_by = $1 ORDER BY id DESC LIMIT $2";
        let rows = query(select).bind(by.unwrap_or_default()).bind(MOST).fetch_all(&self.0).await?;
        rows.into_iter().map(order).collect()
    }

    /// One, where it is there.
    pub(crate) async fn one(&self, id: i64) -> Result<Option<Order>, sqlx::Error> {
        let select = "SELECT id, placed_by, dish, quantity, cancelled FROM orders WHERE id = $1";
        query(select).bind(id).fetch_optional(&self.0).await?.map(order).transpose()
    }

    /// Cancels one of somebody's; nothing where they have none of this number.
    pub(crate) async fn cancel(&self, id: i64, by: &str) -> Result<Option<Order>, sqlx::Error> {
        let update = "UPDATE orders SET cancelled = 1 WHERE id = $1 AND placed_by = $2 \
                      RETURNING id, placed_by, dish, quantity, cancelled";
        query(update).bind(id).bind(by).fetch_optional(&self.0).await?.map(order).transpose()
    }

    /// How many were ordered of a dish, order by order.
    pub(crate) async fn quantities(&self, dish: &str) -> Result<Vec<i64>, sqlx::Error> {
        let select = "SELECT quantity FROM orders WHERE dish = $1 ORDER BY id DESC LIMIT $2";
        let rows = query(select).bind(dish).bind(MOST).fetch_all(&self.0).await?;
        rows.iter().map(|row| row.try_get(0)).collect()
    }
}

fn order(row: AnyRow) -> Result<Order, sqlx::Error> {
    Ok(Order {
        id: row.try_get(0)?,
        by: row.try_get(1)?,
        dish: row.try_get(2)?,
        quantity: row.try_get(3)?,
        // Not every database has booleans.
        cancelled: row.try_get::<i64, _>(4)? != 0,
    })
}
