#!/bin/sh
# Run once by PostgreSQL's image, on an empty volume: an account for the application that owns its database, and is
# no superuser. Its password is read by psql itself, so that no list of processes shows it.
set -eu
psql --quiet --set ON_ERROR_STOP=1 --username postgres --dbname postgres <<'SQL'
\set password `cat /run/secrets/database_password`
CREATE ROLE langroid_chat LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
CREATE DATABASE langroid_chat OWNER langroid_chat;
REVOKE ALL ON DATABASE langroid_chat FROM PUBLIC;
SQL
