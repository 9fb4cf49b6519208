"""The teacher: a language model behind an OpenAI-compatible endpoint, or the source's own.

`endpoint` asks, and keeps every answer in a cache (`cache`), so that no answer is paid twice;
`prompts` fills the templates, `answers` reads what came back, `chunks` cuts documents, `annotate`
labels them for L3. The levels themselves are in `levels`.
"""

from davinci.data_levels.teacher.check import check_teacher as check_teacher
