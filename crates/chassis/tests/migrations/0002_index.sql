CREATE INDEX orders_by_item ON orders (item);
