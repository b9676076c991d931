CREATE TABLE orders (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    placed_by TEXT    NOT NULL,
    dish      TEXT    NOT NULL,
    quantity  BIGINT  NOT NULL,
    cancelled BIGINT  NOT NULL DEFAULT 0
);
CREATE INDEX orders_by ON orders (placed_by);
CREATE INDEX orders_of ON orders (dish);
