from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("chat", "0011_what_agents_keep")]

    operations = [
        migrations.AddField("conversation", "asking", models.JSONField(blank=True, null=True)),
    ]
