CREATE TABLE orders (
    id    BIGINT PRIMARY KEY,
    item  TEXT   NOT NULL,
    count BIGINT NOT NULL
);
