-- The words of a notice are rows of the dated tables too: whoever tells people follows the imports of its province.
GRANT USAGE ON SCHEMA records TO {notification_role};
GRANT SELECT ON records.rule_imports TO {notification_role};
