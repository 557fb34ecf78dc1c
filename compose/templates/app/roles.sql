CREATE ROLE {{db_user}} LOGIN PASSWORD '{{db_password}}';

CREATE DATABASE {{db_name}} OWNER {{db_user}};

