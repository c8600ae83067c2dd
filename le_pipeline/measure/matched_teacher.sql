-- The teachers to be matched, one row per teacher, subject and school year: fellows, mentees, and those without a part.
select *
from linked.matching_candidate
where part <> 'former'
