-- migrate:up
-- What is booked is never looked at again: a look costs by what is new, not by what was ever paid.
ALTER TABLE bank.payments ADD COLUMN booked boolean NOT NULL DEFAULT false;
UPDATE bank.payments AS p
   SET booked = true
 WHERE EXISTS (SELECT FROM bank.lines AS l WHERE l.payment_id = p.payment_id);

DROP INDEX bank.payments_open;
CREATE INDEX payments_due ON bank.payments (available_at) WHERE NOT booked;
CREATE INDEX payments_to_payee ON bank.payments (payee, available_at) WHERE NOT booked AND kind = 'payment';
CREATE INDEX payments_to_payer ON bank.payments (payer, available_at) WHERE NOT booked AND kind = 'returned';
CREATE INDEX payments_of_case ON bank.payments (case_id);
