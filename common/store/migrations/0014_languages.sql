-- The language of a client's documents and messages. Which ones there are words for is not for the database to say: a
-- language that is taken away again leaves its clients with English.
alter table billing.clients
    add column language text not null default 'en',
    add constraint clients_language_is_a_code check (language ~ '^[a-z]{2}$');
