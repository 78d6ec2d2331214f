-- a copy of the database answers no school system, as no key opens it
DELETE FROM res_users_apikeys
 WHERE scope = 'school_sync'
    OR user_id IN (SELECT user_id FROM school_sync_source);

-- archived sources take no documents, bill no installments and notify nobody
UPDATE school_sync_source
   SET active = false;

-- nobody is told about problems of a copy
DELETE FROM school_sync_source_notify_rel;
