-- Schema app: what who asked says of an answer, kept with the answer itself.

alter table app.chat_messages
add column feedback text check (feedback in ('up', 'down')),
add column feedback_note text check (char_length(feedback_note) <= 2000),
add column feedback_at timestamptz,
add constraint chat_messages_feedback check (
    feedback is null and feedback_note is null and feedback_at is null
    or role = 'assistant' and feedback is not null and feedback_at is not null
);
