CREATE TABLE staff (login text PRIMARY KEY, digest text NOT NULL);

INSERT INTO staff VALUES ('{{login}}', '{{password_hash}}');

GRANT SELECT ON staff TO {{db_user}};

